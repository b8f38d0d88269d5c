//! The crates of the workspace and their dependencies, as cargo knows them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::root;

pub struct Workspace {
    metadata: Value,
}

impl Workspace {
    pub fn load() -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .current_dir(root())
            .output()
            .expect("cargo can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { metadata: serde_json::from_slice(&output.stdout).expect("cargo prints JSON") }
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        self.metadata["packages"].as_array().expect("there are packages").iter()
    }

    pub fn packages(&self) -> impl Iterator<Item = &str> {
        self.all().map(|package| package["name"].as_str().expect("a name"))
    }

    /// The folders of the packages.
    pub fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let manifests = self.all().map(|package| package["manifest_path"].as_str().expect("a path"));
        manifests.map(|manifest| Path::new(manifest).parent().expect("it is in a folder").to_owned())
    }

    /// The dependencies of the package, without those of its tests and benches only.
    pub fn dependencies(&self, package: &str) -> impl Iterator<Item = &str> {
        let package = self.all().find(|other| other["name"] == package).expect("a package of the workspace");
        let dependencies = package["dependencies"].as_array().expect("a list").iter();
        dependencies.filter(|one| one["kind"] != "dev").map(|one| one["name"].as_str().expect("a name"))
    }
}
