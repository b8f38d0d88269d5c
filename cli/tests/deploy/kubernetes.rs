//! The manifests for Kubernetes.

use std::collections::{BTreeMap, BTreeSet};

use easytier_uptime_config::Setting;
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment},
        batch::v1::CronJob,
        core::v1::{Container, EnvVar, PersistentVolumeClaim, PodSpec, PodTemplateSpec, Secret, Service},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    image::STATE,
    program::{Usage, assert_command, assert_refused, assert_setting, default_port},
    read,
};

const FOLDER: &str = "deploy/kubernetes";
const FILES: [&str; 5] =
    ["hub.yaml", "once-cronjob.yaml", "probe-daemonset.yaml", "probe-deployment.yaml", "secrets.example.yaml"];

/// All documents of all files, by kind and name.
struct Manifests(BTreeMap<(String, String), Value>);

impl Manifests {
    fn read() -> Self {
        let on_disk = std::fs::read_dir(crate::root().join(FOLDER)).unwrap().map(|file| file.unwrap().file_name());
        assert_eq!(on_disk.collect::<BTreeSet<_>>(), FILES.map(Into::into).into());
        let documents = FILES.into_iter().flat_map(|file| {
            let text = read(&format!("{FOLDER}/{file}"));
            serde_saphyr::from_multiple::<Value>(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
        });
        let key = |document: &Value| {
            let word = |pointer| document.pointer(pointer).and_then(Value::as_str).expect("a string").to_owned();
            (word("/kind"), word("/metadata/name"))
        };
        Self(documents.map(|document| (key(&document), document)).collect())
    }

    fn named<T: DeserializeOwned + Serialize>(&self, kind: &str, name: &str) -> T {
        strictly(&self.0[&(kind.to_owned(), name.to_owned())])
    }

    /// All of a kind, in the order of their names.
    fn all<T: DeserializeOwned + Serialize>(&self, kind: &str) -> Vec<T> {
        self.0.iter().filter(|((other, _), _)| other == kind).map(|(_, document)| strictly(document)).collect()
    }
}

/// Parses a document strictly: a field that its type does not know would be missing in the output.
fn strictly<T: DeserializeOwned + Serialize>(document: &Value) -> T {
    let object: T = serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{error} in {document:#}"));
    assert_eq!(serde_json::to_value(&object).unwrap(), *document, "left: the fields that the Kubernetes type has");
    object
}

/// A workload: its origin, its selector if it has one, and its pods.
struct Workload {
    name: String,
    selector: Option<LabelSelector>,
    template: PodTemplateSpec,
}

fn workloads(manifests: &Manifests) -> Vec<Workload> {
    let deployments = manifests.all::<Deployment>("Deployment").into_iter().map(|deployment| {
        let spec = deployment.spec.unwrap();
        (deployment.metadata, Some(spec.selector), spec.template)
    });
    let daemon_sets = manifests.all::<DaemonSet>("DaemonSet").into_iter().map(|daemon_set| {
        let spec = daemon_set.spec.unwrap();
        (daemon_set.metadata, Some(spec.selector), spec.template)
    });
    let cron_jobs = manifests.all::<CronJob>("CronJob").into_iter().map(|cron_job| {
        let spec = cron_job.spec.unwrap().job_template.spec.unwrap();
        (cron_job.metadata, None, spec.template)
    });
    let all = deployments.chain(daemon_sets).chain(cron_jobs);
    all.map(|(metadata, selector, template)| Workload { name: metadata.name.unwrap(), selector, template }).collect()
}

impl Workload {
    fn pod(&self) -> &PodSpec {
        self.template.spec.as_ref().unwrap()
    }

    fn container(&self) -> &Container {
        let containers = &self.pod().containers;
        assert_eq!(containers.len(), 1, "{}", self.name);
        &containers[0]
    }

    fn usage(&self) -> Usage {
        let args: Vec<&str> = self.container().args.iter().flatten().map(String::as_str).collect();
        assert_command(&args)
    }

    fn variables(&self) -> impl Iterator<Item = &EnvVar> {
        self.container().env.iter().flatten()
    }
}

/// Whoever is in the network can choose the address that limits count.
#[test]
fn the_hub_trusts_the_pods_and_nothing_else() {
    let hub =
        workloads(&Manifests::read()).into_iter().find(|workload| workload.name == "easytier-uptime-hub").unwrap();
    let proxies = hub.variables().find(|variable| variable.name == "TRUSTED_PROXIES").unwrap().value.clone().unwrap();
    let (_, prefix) = proxies.split_once('/').unwrap();
    assert!(prefix.parse::<u8>().unwrap() >= 16, "{proxies}");
}

#[test]
fn every_document_has_a_known_type() {
    let manifests = Manifests::read();
    let known = manifests.all::<Deployment>("Deployment").len()
        + manifests.all::<DaemonSet>("DaemonSet").len()
        + manifests.all::<CronJob>("CronJob").len()
        + manifests.all::<Service>("Service").len()
        + manifests.all::<Secret>("Secret").len()
        + manifests.all::<PersistentVolumeClaim>("PersistentVolumeClaim").len()
        + manifests.all::<PodDisruptionBudget>("PodDisruptionBudget").len();
    assert_eq!(known, manifests.0.len());
    assert_eq!(
        workloads(&manifests).iter().map(|workload| workload.usage().name).collect::<Vec<_>>(),
        ["hub", "daemon", "daemon", "once"]
    );
}

#[test]
#[should_panic(expected = "left: the fields that the Kubernetes type has")]
fn a_misspelt_field_is_found() {
    let text = read("deploy/kubernetes/hub.yaml").replace("containerPort:", "containerport: 1, containerPort:");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    strictly::<Deployment>(&documents[0]);
}

#[test]
fn workloads_get_settings_that_their_commands_read() {
    let manifests = Manifests::read();
    for workload in workloads(&manifests) {
        let usage = workload.usage();
        for variable in workload.variables() {
            assert_setting(&usage, &variable.name);
            let setting = Setting::named(&variable.name).unwrap();
            assert!(
                !setting.is_secret || variable.value.is_none(),
                "{}: {} in plain text",
                workload.name,
                variable.name
            );
            if let Some(key) = variable.value_from.as_ref().and_then(|from| from.secret_key_ref.as_ref()) {
                let secret: Secret = manifests.named("Secret", &key.name);
                assert!(secret.string_data.unwrap().contains_key(&key.key), "no {} in {}", key.key, key.name);
            }
        }
        for from in workload.container().env_from.iter().flatten() {
            let secret: Secret = manifests.named("Secret", &from.secret_ref.as_ref().unwrap().name);
            secret.string_data.unwrap().keys().for_each(|name| assert_setting(&usage, name));
        }
    }
}

/// Applying the unchanged example must not give a deployment with publicly known secrets.
#[test]
fn placeholders_are_refused_as_secrets() {
    let manifests = Manifests::read();
    let secret = |name| manifests.named::<Secret>("Secret", name).string_data.unwrap();
    let hub = Vec::from_iter(secret("easytier-uptime-hub"));
    assert_refused(&["hub"], &hub, &["ADMIN_PASSWORD", "DATABASE_URL", "HUB_KEY"]);
    for (key, value) in secret("easytier-uptime-probe") {
        let name = key.strip_suffix("_OF_CRON_JOB").unwrap_or(&key);
        let variables = [("BACKEND_BASE_URL".to_owned(), "http://hub".to_owned()), (name.to_owned(), value)];
        assert_refused(&["daemon"], &variables, &[name]);
    }
}

fn port_of(container: &Container, port: &IntOrString) -> i32 {
    match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            ports
                .find(|port| port.name.as_ref() == Some(name))
                .unwrap_or_else(|| panic!("no port {name}"))
                .container_port
        }
    }
}

#[test]
fn readiness_uses_the_health_endpoint_and_liveness_does_not() {
    for workload in workloads(&Manifests::read()) {
        let container = workload.container();
        let probes = [&container.readiness_probe, &container.liveness_probe].map(Option::as_ref);
        let [Some(readiness), Some(liveness)] = probes else {
            assert_eq!((workload.usage().name.as_str(), probes), ("once", [None, None]), "{}", workload.name);
            continue;
        };
        let get = readiness.http_get.as_ref().unwrap();
        assert_eq!(get.path.as_deref(), Some("/health"));
        // A service is unhealthy while it cannot store anything.
        assert_eq!(liveness.http_get, None, "{}", workload.name);
        for port in [&get.port, &liveness.tcp_socket.as_ref().unwrap().port] {
            assert_eq!(port_of(container, port), i32::from(default_port()));
        }
    }
}

#[test]
fn probes_find_the_hub_by_its_service() {
    let manifests = Manifests::read();
    let service: Service = manifests.named("Service", "easytier-uptime-hub");
    let spec = service.spec.unwrap();
    let port = &spec.ports.as_ref().unwrap()[0];
    let url = format!("http://{}", service.metadata.name.unwrap());
    assert_eq!(port.port, 80, "the port of {url}");
    let all = workloads(&manifests);
    let hub = all.iter().find(|workload| workload.usage().name == "hub").unwrap();
    assert_eq!(port_of(hub.container(), port.target_port.as_ref().unwrap()), i32::from(default_port()));
    assert_eq!(hub.template.metadata.as_ref().unwrap().labels, spec.selector);
    for workload in all.iter().filter(|workload| workload.usage().name != "hub") {
        let backend = workload.variables().find(|variable| variable.name == "BACKEND_BASE_URL").unwrap();
        assert_eq!(backend.value.as_ref(), Some(&url), "{}", workload.name);
    }
}

#[test]
fn pods_are_selected_by_their_labels_and_confined() {
    let manifests = Manifests::read();
    for workload in workloads(&manifests) {
        let name = &workload.name;
        if let Some(selector) = &workload.selector {
            assert_eq!(selector.match_labels, workload.template.metadata.as_ref().unwrap().labels, "{name}");
        }
        let pod = workload.pod();
        // A service named 'server' would make a variable SERVER_PORT in every pod.
        assert_eq!(
            (pod.enable_service_links, pod.automount_service_account_token),
            (Some(false), Some(false)),
            "{name}"
        );
        let security = pod.security_context.as_ref().unwrap();
        assert_eq!((security.run_as_non_root, security.run_as_user), (Some(true), Some(65532)), "{name}");
        let container = workload.container();
        assert_eq!(container.image, Some(format!("easytier-uptime:{}", env!("CARGO_PKG_VERSION"))));
        let security = container.security_context.as_ref().unwrap();
        assert_eq!(
            (security.read_only_root_filesystem, security.allow_privilege_escalation),
            (Some(true), Some(false))
        );
        let resources = container.resources.as_ref().unwrap();
        assert!(resources.requests.is_some() && resources.limits.is_some(), "{name}");
        for mount in container.volume_mounts.iter().flatten() {
            assert_eq!(mount.mount_path, STATE);
            let volume = pod.volumes.iter().flatten().find(|volume| volume.name == mount.name).unwrap();
            if let Some(claim) = &volume.persistent_volume_claim {
                manifests.named::<PersistentVolumeClaim>("PersistentVolumeClaim", &claim.claim_name);
            }
        }
        // A daemon needs a writable folder for its spool.
        assert_eq!(container.volume_mounts.is_some(), workload.usage().name == "daemon", "{name}");
    }
}

/// A name that changes with each pod would make a new probe at every restart; a machine whose token is lost cannot use its name
/// again.
#[test]
fn the_probe_of_a_machine_keeps_its_name_and_its_token() {
    let manifests = Manifests::read();
    let all = workloads(&manifests);
    let probe = all.iter().find(|workload| workload.name == "easytier-uptime-probe").unwrap();
    let server_id = probe.variables().find(|variable| variable.name == "SERVER_ID").unwrap();
    let field = server_id.value_from.as_ref().unwrap().field_ref.as_ref().unwrap();
    assert_eq!(field.field_path, "spec.nodeName");
    let state = &probe.pod().volumes.as_ref().unwrap()[0];
    assert!(state.host_path.is_some(), "{state:?}");
}

/// Otherwise the end of the pod would interrupt the cycle before its own budget ends it.
#[test]
fn the_budget_of_a_cycle_is_shorter_than_the_deadline_of_its_job() {
    let cron_job: CronJob = Manifests::read().named("CronJob", "easytier-uptime-once");
    let spec = cron_job.spec.unwrap();
    let job = spec.job_template.spec.unwrap();
    let args = job.template.spec.unwrap().containers[0].args.clone().unwrap();
    let seconds = |flag: &str| {
        let position = args.iter().position(|arg| arg == flag).unwrap();
        easytier_uptime_config::duration::parse_positive(&args[position + 1]).unwrap().as_secs() as i64
    };
    let deadline = job.active_deadline_seconds.unwrap();
    assert!(seconds("--budget") < deadline && deadline < seconds("--check-interval"));
    assert_eq!(spec.schedule, format!("*/{} * * * *", seconds("--check-interval") / 60));
}
