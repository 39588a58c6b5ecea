use hex_token_exporter::config::{Environment, Source, load};
#[test]
fn gen_it() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/config");
    let mut v: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().unwrap() == "yaml")
        .collect();
    v.sort();
    for p in v {
        let r = load(&Source::File(p.clone()), &Environment::default());
        let n = p.file_stem().unwrap().to_str().unwrap();
        match r {
            Ok(l) => {
                println!("OK {n} {:?}", l.warnings);
                if n.starts_with("bad") {
                    println!("!!!!")
                }
            }
            Err(e) => {
                println!("--- {n}\n{e}");
                if n.starts_with("good") {
                    println!("!!!!")
                } else {
                    std::fs::write(p.with_extension("txt"), format!("{e}\n")).unwrap();
                }
            }
        }
    }
}
