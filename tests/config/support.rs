//! A directory to configure from.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use hex_token_exporter::{
    config::{ConfigErrors, Environment, Loaded, Source, load},
    domain::{Credential, Secret},
};
use jiff::Timestamp;

/// A secret that looks like a workspace token, made of one repeated character.
pub fn workspace_token(digit: char) -> String {
    format!("hxtw_{}", digit.to_string().repeat(96))
}

/// A temporary directory with a configuration file in it.
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// On the disk of the build, where a temporary directory may lie in memory.
    pub fn on_disk() -> Self {
        Self { directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces a file in one step, as careful writers do.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let temporary = self.path(format!("{name}.new"));
        fs::write(&temporary, content).unwrap();
        fs::rename(temporary, self.path(name)).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub fn directory(&self, name: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
    }

    /// Points the link `name` at `target` in one step.
    pub fn link(&self, name: &str, target: &str) {
        let temporary = self.path(format!("{name}_tmp"));
        std::os::unix::fs::symlink(target, &temporary).unwrap();
        fs::rename(temporary, self.path(name)).unwrap();
    }

    pub fn age(&self, name: &str) -> Timestamp {
        Timestamp::try_from(fs::metadata(self.path(name)).unwrap().modified().unwrap()).unwrap()
    }

    /// Sets when a file was last modified, in seconds of Unix time.
    pub fn set_age(&self, name: &str, seconds: u64) -> Timestamp {
        let file = fs::File::options().append(true).open(self.path(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        self.age(name)
    }

    /// The file `config.yaml`.
    pub fn source(&self) -> Source {
        Source::File(self.path("config.yaml"))
    }

    pub fn zero_config(&self) -> Source {
        Source::ZeroConfig { directory: self.directory.path().to_owned() }
    }

    pub fn load(&self, config: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
        self.write("config.yaml", config);
        load(&self.source(), &variables(environment))
    }
}

pub fn variables(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The credential that a text should become.
pub fn holds(credential: &Credential, text: &str) -> bool {
    matches!(credential, Credential::Loaded { secret, .. } if *secret == Secret::opaque(text))
}
