//! A directory to configure from.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use hex_token_exporter::{
    config::{ConfigErrors, Environment, Finding, Loaded, Source, load},
    domain::{Credential, Secret},
};
use jiff::Timestamp;

/// A secret that looks like a workspace token, made of one repeated character.
pub(crate) fn workspace_token(digit: char) -> String {
    format!("hxtw_{}", digit.to_string().repeat(96))
}

/// A temporary directory with a configuration file in it.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// On the disk of the build, where a temporary directory may lie in memory.
    pub(crate) fn on_disk() -> Self {
        Self { directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces a file in one step, as careful writers do.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let temporary = self.path(format!("{name}.new"));
        fs::write(&temporary, content).unwrap();
        fs::rename(temporary, self.path(name)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(crate) fn directory(&self, name: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
    }

    /// Points the link `name` at `target` in one step.
    pub(crate) fn link(&self, name: &str, target: &str) {
        let temporary = self.path(format!("{name}_tmp"));
        std::os::unix::fs::symlink(target, &temporary).unwrap();
        fs::rename(temporary, self.path(name)).unwrap();
    }

    pub(crate) fn age(&self, name: &str) -> Timestamp {
        Timestamp::try_from(fs::metadata(self.path(name)).unwrap().modified().unwrap()).unwrap()
    }

    /// Sets when a file was last modified, in seconds of Unix time.
    pub(crate) fn set_age(&self, name: &str, seconds: u64) -> Timestamp {
        let file = fs::File::options().append(true).open(self.path(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        self.age(name)
    }

    /// Sets who may do what with a file.
    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The file `config.yaml`.
    pub(crate) fn source(&self) -> Source {
        Source::File(self.path("config.yaml"))
    }

    pub(crate) fn zero_config(&self) -> Source {
        Source::ZeroConfig { directory: self.directory.path().to_owned() }
    }

    pub(crate) fn load(&self, config: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
        self.write("config.yaml", config);
        load(&self.source(), &variables(environment))
    }
}

pub(crate) fn variables(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Findings as they are shown, one a line.
pub(crate) fn lines(findings: &[Finding]) -> String {
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Whether it is the credential that a text becomes.
pub(crate) fn holds(credential: &Credential, text: &str) -> bool {
    matches!(credential, Credential::Loaded { secret, .. } if *secret == Secret::opaque(text))
}
