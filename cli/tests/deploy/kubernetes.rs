//! The objects of Kubernetes: the manifests, and what the chart renders from other values.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use easytier_uptime_config::Setting;
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment},
        batch::v1::CronJob,
        core::v1::{
            Container, EnvVar, PersistentVolumeClaim, PodSpec, PodTemplateSpec, Secret, SecretKeySelector, Service,
        },
        networking::v1::{Ingress, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    chart::rendered,
    image::STATE,
    program::{Usage, assert_command, assert_refused, assert_setting, default_port},
    read, root,
};

const FOLDER: &str = "deploy/kubernetes";
const SECRETS: &str = "secrets.example.yaml";

/// Objects that are applied together, by kind and name.
struct Objects {
    /// A file, or a name of values.
    origin: String,
    objects: BTreeMap<(String, String), Value>,
}

impl Objects {
    fn parse(origin: &str, text: &str) -> Self {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{origin}: {error}\n{text}"));
        let mut objects = BTreeMap::new();
        for document in documents {
            let word = |pointer| document.pointer(pointer).and_then(Value::as_str).expect("a string").to_owned();
            let key = (word("/kind"), word("/metadata/name"));
            assert_eq!(objects.insert(key, document), None, "{origin}: twice");
        }
        Self { origin: origin.to_owned(), objects }
    }

    fn of_file(file: &str) -> Self {
        Self::parse(file, &read(&format!("{FOLDER}/{file}")))
    }

    fn named<T: DeserializeOwned + Serialize>(&self, kind: &str, name: &str) -> T {
        let key = (kind.to_owned(), name.to_owned());
        strictly(self.objects.get(&key).unwrap_or_else(|| panic!("{}: no {kind} {name}", self.origin)))
    }

    /// All of a kind, in the order of their names.
    fn all<T: DeserializeOwned + Serialize>(&self, kind: &str) -> Vec<T> {
        self.objects.iter().filter(|((other, _), _)| other == kind).map(|(_, document)| strictly(document)).collect()
    }
}

/// The manifests, without the secrets.
fn manifests() -> Vec<Objects> {
    let files = fs::read_dir(root().join(FOLDER)).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    files.filter(|file| file != SECRETS).map(|file| Objects::of_file(&file)).collect()
}

/// The manifests, and what the chart renders from other values.
fn everything() -> Vec<Objects> {
    manifests().into_iter().chain(rendered().map(|(name, text)| Objects::parse(name, text))).collect()
}

fn everything_of(name: &str) -> Objects {
    everything().into_iter().find(|objects| objects.origin == name).unwrap()
}

/// Parses a document strictly: a field that its type does not know would be missing in the output.
fn strictly<T: DeserializeOwned + Serialize>(document: &Value) -> T {
    let object: T = serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{error} in {document:#}"));
    assert_eq!(serde_json::to_value(&object).unwrap(), *document, "left: the fields that the Kubernetes type has");
    object
}

/// The fields of the Prometheus operator's object that the chart uses.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceMonitor {
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    spec: ServiceMonitorSpec,
}

#[derive(Serialize, Deserialize)]
struct ServiceMonitorSpec {
    selector: LabelSelector,
    endpoints: Vec<Endpoint>,
}

#[derive(Serialize, Deserialize)]
struct Endpoint {
    port: String,
    path: String,
    interval: String,
    authorization: Authorization,
}

#[derive(Serialize, Deserialize)]
struct Authorization {
    credentials: SecretKeySelector,
}

/// A workload: its origin, its selector if it has one, and its pods.
struct Workload {
    name: String,
    selector: Option<LabelSelector>,
    template: PodTemplateSpec,
}

fn workloads(objects: &Objects) -> Vec<Workload> {
    let deployments = objects.all::<Deployment>("Deployment").into_iter().map(|deployment| {
        let spec = deployment.spec.unwrap();
        (deployment.metadata, Some(spec.selector), spec.template)
    });
    let daemon_sets = objects.all::<DaemonSet>("DaemonSet").into_iter().map(|daemon_set| {
        let spec = daemon_set.spec.unwrap();
        (daemon_set.metadata, Some(spec.selector), spec.template)
    });
    let cron_jobs = objects.all::<CronJob>("CronJob").into_iter().map(|cron_job| {
        let spec = cron_job.spec.unwrap().job_template.spec.unwrap();
        (cron_job.metadata, None, spec.template)
    });
    let all = deployments.chain(daemon_sets).chain(cron_jobs);
    all.map(|(metadata, selector, template)| Workload {
        name: format!("{}: {}", objects.origin, metadata.name.unwrap()),
        selector,
        template,
    })
    .collect()
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

    fn args(&self) -> Vec<&str> {
        self.container().args.iter().flatten().map(String::as_str).collect()
    }

    /// `hub`, `daemon` or `once`.
    fn command(&self) -> &str {
        self.args()[0]
    }

    fn usage(&self) -> Usage {
        assert_command(&self.args())
    }

    fn variables(&self) -> impl Iterator<Item = &EnvVar> {
        self.container().env.iter().flatten()
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.variables().find(|variable| variable.name == name)?.value.as_deref()
    }
}

#[test]
fn every_object_has_a_known_type() {
    let mut kinds = BTreeSet::new();
    for objects in everything() {
        let known = objects.all::<Deployment>("Deployment").len()
            + objects.all::<DaemonSet>("DaemonSet").len()
            + objects.all::<CronJob>("CronJob").len()
            + objects.all::<Service>("Service").len()
            + objects.all::<PersistentVolumeClaim>("PersistentVolumeClaim").len()
            + objects.all::<PodDisruptionBudget>("PodDisruptionBudget").len()
            + objects.all::<Ingress>("Ingress").len()
            + objects.all::<NetworkPolicy>("NetworkPolicy").len()
            + objects.all::<ServiceMonitor>("ServiceMonitor").len();
        assert_eq!(known, objects.objects.len(), "{}", objects.origin);
        kinds.extend(objects.objects.into_keys().map(|(kind, _)| kind));
    }
    assert_eq!(kinds.len(), 9, "{kinds:?}");
}

#[test]
#[should_panic(expected = "left: the fields that the Kubernetes type has")]
fn a_misspelt_field_is_found() {
    let text = read("deploy/kubernetes/hub-sqlite.yaml").replace("containerPort:", "containerport: 1, containerPort:");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    strictly::<Deployment>(&documents[0]);
}

/// And no secret is in plain text.
#[test]
fn workloads_get_settings_that_their_commands_read() {
    for objects in everything() {
        for workload in workloads(&objects) {
            let usage = workload.usage();
            for variable in workload.variables() {
                assert_setting(&usage, &variable.name);
                assert!(!Setting::named(&variable.name).unwrap().is_secret, "{}: {}", workload.name, variable.name);
            }
        }
    }
}

/// Applying the unchanged example must not give a deployment with publicly known secrets.
#[test]
fn the_example_has_the_secrets_of_the_manifests_and_its_placeholders_are_refused() {
    let mut secrets = Objects::of_file(SECRETS);
    for objects in manifests() {
        for workload in workloads(&objects) {
            let usage = workload.usage();
            let from = workload.container().env_from.as_ref().unwrap()[0].secret_ref.as_ref().unwrap();
            if from.optional == Some(true) {
                continue;
            }
            let secret: Secret = secrets.named("Secret", &from.name);
            let values: Vec<(String, String)> = secret.string_data.unwrap().into_iter().collect();
            let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
            names.iter().for_each(|name| assert_setting(&usage, name));
            let backend = ("BACKEND_BASE_URL".to_owned(), "http://hub".to_owned());
            assert_refused(&[workload.command()], &[values.clone(), vec![backend]].concat(), &names);
            secrets.objects.remove(&("Secret".to_owned(), from.name.clone()));
        }
    }
    assert!(secrets.objects.is_empty(), "no manifest uses {:?}", secrets.objects);
}

/// In the comments of the example, and in what helm prints.
#[test]
fn the_commands_that_users_are_told_exist() {
    let text = read(&format!("{FOLDER}/{SECRETS}")) + &read("deploy/helm/easytier-uptime/templates/NOTES.txt");
    let commands = text.lines().filter_map(|line| line.split_once(" -- easytier-uptime "));
    let found = commands.map(|(_, command)| assert_command(&command.split_whitespace().collect::<Vec<_>>()));
    assert_eq!(found.count(), 4);
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
    for workload in everything().iter().flat_map(workloads) {
        let container = workload.container();
        let probes = [&container.readiness_probe, &container.liveness_probe].map(Option::as_ref);
        let [Some(readiness), Some(liveness)] = probes else {
            assert_eq!((workload.command(), probes), ("once", [None, None]), "{}", workload.name);
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

/// Probes, an ingress and Prometheus.
#[test]
fn the_hub_is_found_by_its_service() {
    let service_of = |objects: &Objects| objects.all::<Service>("Service").pop();
    let mut urls = BTreeSet::new();
    for objects in everything() {
        let Some(service) = service_of(&objects) else { continue };
        let spec = service.spec.unwrap();
        let port = &spec.ports.as_ref().unwrap()[0];
        let hub = workloads(&objects).into_iter().find(|workload| workload.command() == "hub").unwrap();
        assert_eq!(port_of(hub.container(), port.target_port.as_ref().unwrap()), i32::from(default_port()));
        assert_eq!(hub.template.metadata.as_ref().unwrap().labels, spec.selector);
        assert_eq!(port.port, 80);
        let name = service.metadata.name.unwrap();
        for ingress in objects.all::<Ingress>("Ingress") {
            let rule = ingress.spec.unwrap().rules.unwrap().remove(0);
            let backend = rule.http.unwrap().paths.remove(0).backend.service.unwrap();
            assert_eq!((backend.name.as_str(), backend.port.unwrap().name), (name.as_str(), port.name.clone()));
            assert_eq!(hub.value("PUBLIC_URL"), Some(format!("https://{}", rule.host.unwrap()).as_str()));
            assert!(hub.value("TRUSTED_PROXIES").is_some());
        }
        for monitor in objects.all::<ServiceMonitor>("ServiceMonitor") {
            assert_eq!(monitor.spec.selector.match_labels, service.metadata.labels);
            for endpoint in monitor.spec.endpoints {
                assert_eq!(Some(endpoint.port), port.name);
                assert!(
                    read("deploy/prometheus/prometheus.yml").contains(&endpoint.path) || endpoint.path == "/metrics"
                );
                let secret = hub.container().env_from.as_ref().unwrap()[0].secret_ref.as_ref().unwrap();
                assert_eq!(
                    (endpoint.authorization.credentials.name, endpoint.authorization.credentials.key.as_str()),
                    (secret.name.clone(), "METRICS_TOKEN")
                );
            }
        }
        urls.insert(format!("http://{name}"));
    }
    assert_eq!(urls.len(), 1, "one release: {urls:?}");
    urls.insert("https://hub.example.com".to_owned());
    for workload in everything().iter().flat_map(workloads).filter(|workload| workload.command() != "hub") {
        let backend = workload.value("BACKEND_BASE_URL").unwrap();
        assert!(urls.contains(backend), "{}: {backend}", workload.name);
    }
}

#[test]
fn pods_are_selected_by_their_labels_and_confined() {
    for objects in everything() {
        for workload in workloads(&objects) {
            let name = &workload.name;
            let labels = workload.template.metadata.as_ref().unwrap().labels.as_ref();
            if let Some(selector) = &workload.selector {
                assert_eq!(selector.match_labels.as_ref(), labels, "{name}");
            }
            for policy in objects.all::<NetworkPolicy>("NetworkPolicy") {
                let selected = policy.spec.unwrap().pod_selector.unwrap().match_labels.unwrap();
                assert!(selected.iter().all(|label| labels.unwrap().iter().any(|own| own == label)), "{name}");
            }
            let pod = workload.pod();
            // A service named 'server' would make a variable SERVER_PORT in every pod.
            assert_eq!((pod.enable_service_links, pod.automount_service_account_token), (Some(false), Some(false)));
            let security = pod.security_context.as_ref().unwrap();
            assert_eq!((security.run_as_non_root, security.run_as_user), (Some(true), Some(65532)), "{name}");
            let container = workload.container();
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
                    objects.named::<PersistentVolumeClaim>("PersistentVolumeClaim", &claim.claim_name);
                }
            }
            // A daemon needs a writable folder for its spool, and a hub for SQLite.
            let has_database = match workload.command() {
                "hub" => objects.all::<Deployment>("Deployment")[0].spec.as_ref().unwrap().replicas == Some(1),
                command => command == "daemon",
            };
            assert_eq!(container.volume_mounts.is_some(), has_database, "{name}");
        }
    }
}

/// A pod that is replaced keeps its volume, and a hub that is drained leaves another one.
#[test]
fn several_hubs_are_never_stopped_together_and_one_is_never_doubled() {
    for objects in everything() {
        for deployment in objects.all::<Deployment>("Deployment") {
            let spec = deployment.spec.unwrap();
            let recreated = spec.strategy.and_then(|strategy| strategy.type_).is_some_and(|way| way == "Recreate");
            assert_eq!(recreated, spec.replicas == Some(1), "{}", objects.origin);
            let budgets = objects.all::<PodDisruptionBudget>("PodDisruptionBudget");
            let protected =
                budgets.iter().any(|budget| budget.spec.as_ref().unwrap().selector.as_ref() == Some(&spec.selector));
            assert_eq!(protected, spec.replicas > Some(1), "{}", objects.origin);
        }
    }
}

#[test]
fn values_reach_the_objects() {
    let objects = everything_of("everything");
    let [hub, probe, once] = ["hub", "daemon", "once"]
        .map(|command| workloads(&objects).into_iter().find(|workload| workload.command() == command).unwrap());
    for (workload, secret) in [(&hub, "of-the-hub"), (&probe, "of-the-probe"), (&once, "of-the-job")] {
        let container = workload.container();
        assert_eq!(container.image.as_deref(), Some("registry.example.com/uptime:1@sha256:00"));
        assert_eq!(container.image_pull_policy.as_deref(), Some("Always"));
        assert_eq!(container.env_from.as_ref().unwrap()[0].secret_ref.as_ref().unwrap().name, secret);
        let pod = workload.pod();
        assert_eq!(pod.image_pull_secrets.as_ref().unwrap()[0].name, "registry");
        assert_eq!(pod.node_selector.as_ref().unwrap()["region"], "eu");
        assert_eq!(pod.tolerations.as_ref().unwrap()[0].key.as_deref(), Some("edge"));
    }
    assert_eq!((hub.value("FLAP_DAMPING"), hub.value("OPEN_DISCOVERY")), (Some("3"), Some("true")));
    assert_eq!((probe.value("SERVER_ID"), probe.value("REGION")), (Some("probe-eu"), Some("eu")));
    assert_eq!(once.value("REPORT_STYLE"), Some("results"));
    let claim = &objects.all::<PersistentVolumeClaim>("PersistentVolumeClaim")[0];
    assert_eq!(claim.spec.as_ref().unwrap().storage_class_name.as_deref(), Some("fast"));
    let policy = objects.all::<NetworkPolicy>("NetworkPolicy").remove(0).spec.unwrap();
    // The pods of the release, and those of the values.
    assert_eq!(policy.ingress.unwrap()[0].from.as_ref().unwrap().len(), 2);

    let default = everything_of("the defaults");
    let image = workloads(&default)[0].container().image.clone();
    assert_eq!(image, Some(format!("easytier-uptime:{}", env!("CARGO_PKG_VERSION"))));
}

/// A name that changes with each pod would make a new probe at every restart; a machine whose token is lost cannot use its name
/// again.
#[test]
fn the_probe_of_a_machine_keeps_its_name_and_its_token() {
    let mut found = 0;
    for daemon_set in everything().iter().flat_map(|objects| objects.all::<DaemonSet>("DaemonSet")) {
        let pod = daemon_set.spec.unwrap().template.spec.unwrap();
        let server_id = pod.containers[0].env.iter().flatten().find(|variable| variable.name == "SERVER_ID").unwrap();
        let field = server_id.value_from.as_ref().unwrap().field_ref.as_ref().unwrap();
        assert_eq!(field.field_path, "spec.nodeName");
        let state = &pod.volumes.as_ref().unwrap()[0];
        assert!(state.host_path.is_some(), "{state:?}");
        found += 1;
    }
    assert_eq!(found, 2);
}

/// Otherwise the end of the pod would interrupt the cycle before its own budget ends it.
#[test]
fn the_budget_of_a_cycle_is_shorter_than_the_deadline_of_its_job() {
    let mut schedules = BTreeSet::new();
    for cron_job in everything().iter().flat_map(|objects| objects.all::<CronJob>("CronJob")) {
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
        schedules.insert(spec.schedule);
    }
    assert_eq!(schedules.len(), 3, "{schedules:?}");
}
