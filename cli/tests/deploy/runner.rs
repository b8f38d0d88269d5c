//! Runs the shell steps of `action.yml` and of workflows, as a runner of GitHub Actions does.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A job on a machine of its own: all its steps share the workspace, the folder for temporary files and the variables.
pub struct Job {
    folder: TempDir,
    host: String,
    variables: Vec<(String, String)>,
    /// The values of other contexts than `steps`, such as `inputs.peers`.
    contexts: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    used: Vec<String>,
    log: String,
    failed: bool,
}

/// How a job or an action ended.
pub struct Ended {
    pub succeeded: bool,
    pub outputs: BTreeMap<String, String>,
    /// The actions that its steps used. They did nothing.
    pub used: Vec<String>,
    pub log: String,
    pub summary: String,
    /// Its files, until this is dropped.
    pub folder: TempDir,
}

impl Job {
    pub fn on(host: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["workspace", "temp", "bin"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let temp = folder.path().join("temp").to_str().unwrap().to_owned();
        let path = format!("{}:{}", folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        let variables = [("PATH", path.as_str()), ("HOME", &temp), ("RUNNER_TEMP", &temp)];
        let contexts = [("runner.temp", temp.as_str()), ("runner.os", "Linux"), ("runner.arch", "X64")];
        Self {
            host: host.to_owned(),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            contexts: contexts.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            outputs: BTreeMap::new(),
            used: Vec::new(),
            log: String::new(),
            failed: false,
            folder,
        }
    }

    /// A file or folder of the job. It has the folders `workspace`, where steps run, `temp`, and `bin`, the first one in PATH.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn context(mut self, name: &str, value: &str) -> Self {
        self.contexts.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Puts a program first in PATH.
    pub fn program(self, name: &str, script: &str) -> Self {
        let file = self.path("bin").join(name);
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Runs the action of this folder with these inputs and the defaults of others.
    pub fn run_action(mut self, folder: &Path, inputs: &[(&str, &str)]) -> Ended {
        let text = fs::read_to_string(folder.join("action.yml")).unwrap();
        let action: Value = serde_saphyr::from_str(&text).unwrap();
        for (name, input) in action["inputs"].as_object().unwrap() {
            let given = inputs.iter().find(|(given, _)| given == name).map(|(_, value)| *value);
            let value = given.unwrap_or_else(|| input["default"].as_str().unwrap());
            self = self.context(&format!("inputs.{name}"), value);
        }
        self = self.variable("GITHUB_ACTION_PATH", folder.to_str().unwrap());
        self.run_steps(&action["runs"]["steps"]);
        let outputs = action["outputs"].as_object().unwrap().iter();
        let outputs = outputs.map(|(name, output)| (name.clone(), self.replaced(&output["value"]))).collect();
        self.ended(outputs)
    }

    /// Runs a job of a workflow.
    pub fn run_job(mut self, job: &Value) -> Ended {
        self.run_steps(&job["steps"]);
        let outputs = job["outputs"].as_object().into_iter().flatten();
        let outputs = outputs.map(|(name, value)| (name.clone(), self.replaced(value))).collect();
        self.ended(outputs)
    }

    fn ended(self, outputs: BTreeMap<String, String>) -> Ended {
        let summary = fs::read_to_string(self.path("summary")).unwrap_or_default();
        let Self { folder, used, log, .. } = self;
        Ended { succeeded: !self.failed, outputs, used, log, summary, folder }
    }

    fn run_steps(&mut self, steps: &Value) {
        for step in steps.as_array().unwrap() {
            let wanted = step["if"].as_str().is_none_or(|condition| self.holds(condition));
            if self.failed || !wanted {
                continue;
            }
            let id = step["id"].as_str().unwrap_or_default();
            match (step["uses"].as_str(), step["run"].as_str()) {
                (Some(action), None) => self.used.push(action.to_owned()),
                (None, Some(script)) => self.run_script(id, script, &step["env"]),
                _ => panic!("neither an action nor a script: {step}"),
            }
        }
    }

    fn run_script(&mut self, id: &str, script: &str, env: &Value) {
        let (file, output) = (self.path("script"), self.path("output"));
        fs::write(&file, script).unwrap();
        fs::write(&output, "").unwrap();
        // The host name is that of a namespace. The shell has the options that `shell: bash` means.
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--uts", "sh", "-c", "hostname \"$0\" && exec \"$@\""])
            .arg(&self.host);
        command.args(["bash", "--noprofile", "--norc", "-eo", "pipefail"]).arg(&file);
        command.current_dir(self.path("workspace")).env_clear().envs(self.variables.iter().cloned());
        command.env("GITHUB_OUTPUT", &output).env("GITHUB_STEP_SUMMARY", self.path("summary"));
        for (name, value) in env.as_object().into_iter().flatten() {
            command.env(name, self.replaced(value));
        }
        let ended = command.stdin(Stdio::null()).output().unwrap();
        self.log += &String::from_utf8_lossy(&ended.stdout);
        self.log += &String::from_utf8_lossy(&ended.stderr);
        self.failed = !ended.status.success();
        for line in fs::read_to_string(&output).unwrap().lines() {
            let (name, value) = line.split_once('=').unwrap();
            self.outputs.insert(format!("steps.{id}.outputs.{name}"), value.to_owned());
        }
    }

    /// A text with its expressions replaced by their values.
    fn replaced(&self, text: &Value) -> String {
        let text = text.as_str().unwrap_or_else(|| panic!("not a text: {text}"));
        let mut parts = text.split("${{");
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |whole, part| {
            let (expression, rest) = part.split_once("}}").unwrap();
            whole + &self.value(expression.trim()) + rest
        })
    }

    /// The value of an expression: a name, or a text.
    fn value(&self, expression: &str) -> String {
        if let Some(text) = expression.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            return text.to_owned();
        }
        let known = self.contexts.get(expression).or_else(|| self.outputs.get(expression)).cloned();
        // A step that was skipped has no outputs.
        known
            .or_else(|| expression.starts_with("steps.").then(String::new))
            .unwrap_or_else(|| panic!("what is {expression}?"))
    }

    fn holds(&self, condition: &str) -> bool {
        condition.split(" && ").all(|part| {
            let (left, right) = part.split_once(" != ").unwrap_or_else(|| panic!("no condition: {part}"));
            self.value(left) != self.value(right)
        })
    }
}
