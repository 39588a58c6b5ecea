//! A reader of pages that knows the few elements and attributes of ours: what somebody put in would be
//! another one, or would leave a page that ends in the middle.

use super::canary;

const ELEMENTS: &str = " a b body br button caption circle dd desc div dl dt figcaption figure footer form g h1 h2 h3 \
    head header html input label li link main meta nav option p path rect section select small span strong \
    svg symbol table tbody td text th thead time title tr ul ol use !doctype line polyline tspan code ";

const ATTRIBUTES: &str = " action aria-current aria-describedby aria-hidden aria-label aria-labelledby charset \
    class content cx cy d data-scope datetime dx dy focusable for height href http-equiv id lang maxlength \
    method name placeholder r rel role scope selected tabindex text-anchor title type value viewbox width x \
    y x1 x2 y1 y2 html colspan rowspan points preserveaspectratio checked ";

/// Fails where a page is not made of what ours are made of.
pub(crate) fn is_ours(page: &str) {
    canary::no_token(page, "a page");
    let mut rest = page;
    while let Some((_, behind)) = rest.split_once('<') {
        rest = tag(behind).unwrap_or_else(|wrong| {
            panic!("{wrong} in a page, before: {}", behind.chars().take(80).collect::<String>())
        });
    }
}

/// Reads a tag from behind its `<`, and returns what follows it.
fn tag(text: &str) -> Result<&str, &'static str> {
    let text = text.strip_prefix('/').unwrap_or(text);
    let (name, mut rest) = word(text);
    known(ELEMENTS, name).ok_or("a foreign element")?;
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix("/>").or_else(|| rest.strip_prefix('>')) {
            return Ok(behind);
        }
        let (name, behind) = word(rest);
        known(ATTRIBUTES, name).ok_or("a foreign attribute")?;
        rest = match behind.strip_prefix('=') {
            None => behind,
            Some(value) => {
                let value = value.strip_prefix('"').ok_or("a value without quotes")?;
                let (value, behind) = value.split_once('"').ok_or("a value without an end")?;
                let link = value.trim_start().to_ascii_lowercase();
                if name == "href"
                    && ["javascript:", "data:", "vbscript:"].iter().any(|bad| link.starts_with(bad))
                {
                    return Err("a script behind a link");
                }
                behind
            }
        };
    }
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_whitespace() || "=/>\"'<".contains(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn known(words: &str, name: &str) -> Option<()> {
    let name = name.to_ascii_lowercase();
    (!name.is_empty() && words.split_ascii_whitespace().any(|word| word == name)).then_some(())
}
