//! Use cases of the operator: maintenance windows.

use easytier_uptime_monitor::{input, parameter::string};
use easytier_uptime_store::domain::{
    Coverage, MAX_MINUTES, MaintenanceSpec, MaintenanceWindow, PeerId, Schedule, ScheduleError, ScheduleText,
    Timestamp, WindowId,
};
use serde::Deserialize;
use utoipa::{
    ToSchema,
    openapi::{
        Schema,
        schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type},
    },
};

use super::{
    Admin, FieldError, FieldProblem, ServiceError,
    line::line,
    node_fields::{labels, labels_schema},
};

/// The maximum length of a title in characters.
pub const MAX_TITLE: usize = 200;

/// The maximum number of nodes that a window names, and of its tags and of its regions.
const MAX_NODES: usize = 1000;
const MAX_LABELS: usize = 64;

/// What an operator says about a maintenance window. Null counts as missing.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct WindowFields {
    /// What visitors read: 1 to 200 characters.
    #[schema(max_length = 200, pattern = r"[^\s\u0000-\u001f\u007f-\u009f]", example = "New disks in Frankfurt")]
    pub title: Option<String>,
    /// The same in Chinese, for Chinese pages.
    #[schema(max_length = 200, example = "更换法兰克福机房的磁盘")]
    pub title_zh: Option<String>,
    /// Whether it covers all nodes.
    pub all: Option<bool>,
    /// The ids of nodes that it covers.
    #[schema(schema_with = nodes_schema)]
    pub nodes: Option<Vec<i64>>,
    /// It covers the nodes with one of these tags.
    #[schema(schema_with = some_labels)]
    pub tags: Option<Vec<String>>,
    /// It covers the nodes that are checked from one of these regions and not from every region.
    #[schema(schema_with = some_labels)]
    pub regions: Option<Vec<String>>,
    /// When the first occurrence begins, on the clocks of the time zone, without an offset. By default now.
    #[schema(schema_with = start_schema)]
    pub start: Option<String>,
    /// An IANA time zone; by default UTC. The window keeps its local time when the clocks change.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// How long each occurrence takes.
    #[serde(deserialize_with = "input::whole_number")]
    #[schema(minimum = 1, maximum = 44640, example = 90)]
    pub minutes: Option<u32>,
    /// An RRULE of RFC 5545 that gives at most one occurrence a day: FREQ DAILY, WEEKLY, MONTHLY or YEARLY, without BYHOUR,
    /// BYMINUTE and BYSECOND. Without it the window takes place once.
    #[schema(max_length = 256, example = "FREQ=WEEKLY;BYDAY=SU")]
    pub rrule: Option<String>,
    /// No occurrence begins after this day or time of the time zone.
    #[schema(example = "2027-12-31")]
    pub until: Option<String>,
}

fn nodes_schema() -> Schema {
    let id = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(i64::MAX));
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(id)
        .max_items(Some(MAX_NODES))
        .build()
        .into()
}

fn some_labels() -> Schema {
    labels_schema(MAX_LABELS)
}

fn start_schema() -> Schema {
    string()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some(
            "When the first occurrence begins, on the clocks of the time zone, without an offset. By default now.",
        ))
        .examples(["2027-01-31T02:00"])
        .build()
        .into()
}

impl WindowFields {
    /// `now`: the time at which a window begins that names no start.
    pub(super) fn validate(self, now: Timestamp) -> Result<MaintenanceSpec, FieldError> {
        let title = a_title("title", self.title)?.ok_or_else(|| FieldError::new("title", FieldProblem::Missing))?;
        let title_zh = a_title("title_zh", self.title_zh)?;
        let nodes = self.nodes.unwrap_or_default();
        if nodes.len() > MAX_NODES {
            return Err(FieldError::new("nodes", FieldProblem::TooMany { max: MAX_NODES }));
        }
        if nodes.iter().any(|id| *id < 1) {
            return Err(FieldError::new("nodes", FieldProblem::Malformed("an id is a whole number from 1".to_owned())));
        }
        let coverage = Coverage {
            all: self.all.unwrap_or_default(),
            peers: nodes.into_iter().map(PeerId).collect(),
            tags: labels("tags", self.tags.unwrap_or_default(), MAX_LABELS)?,
            regions: labels("regions", self.regions.unwrap_or_default(), MAX_LABELS)?,
        };
        if coverage.is_empty() {
            return Err(FieldError::new("nodes", FieldProblem::NothingCovered));
        }
        let time_zone = filled(self.time_zone).unwrap_or_else(|| "UTC".to_owned());
        let minutes = self.minutes.ok_or_else(|| FieldError::new("minutes", FieldProblem::Missing))?;
        let start = match filled(self.start) {
            Some(start) => start,
            None => Schedule::local(now, &time_zone).map_err(refused)?,
        };
        let text = ScheduleText { start, time_zone, minutes, rrule: filled(self.rrule), until: filled(self.until) };
        let schedule = Schedule::parse(&text).map_err(refused)?;
        Ok(MaintenanceSpec { title, title_zh, coverage, schedule })
    }
}

fn refused(error: ScheduleError) -> FieldError {
    match error {
        ScheduleError::Length => FieldError::new("minutes", FieldProblem::OutOfRange { min: 1, max: MAX_MINUTES }),
        error => FieldError::new(error.part(), error),
    }
}

/// A text with a visible character.
fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn a_title(field: &'static str, text: Option<String>) -> Result<Option<String>, FieldError> {
    text.map_or(Ok(None), |text| line(field, &text, MAX_TITLE))
}

impl Admin {
    /// All maintenance windows, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn maintenance_windows(&self) -> Result<Vec<MaintenanceWindow>, ServiceError> {
        Ok(self.store.maintenance_windows().await?)
    }

    /// A maintenance window.
    ///
    /// # Errors
    ///
    /// When there is none with this id, or the database fails.
    pub async fn maintenance_window(&self, id: WindowId) -> Result<MaintenanceWindow, ServiceError> {
        Ok(self.store.maintenance_window(id).await?)
    }

    /// Makes a maintenance window.
    ///
    /// # Errors
    ///
    /// When a field is missing or not valid, there are too many windows, or the database fails.
    pub async fn add_maintenance(&self, fields: WindowFields) -> Result<WindowId, ServiceError> {
        let now = Timestamp::now();
        Ok(self.store.add_maintenance(&fields.validate(now)?, now).await?)
    }

    /// Replaces a maintenance window, if nobody changed it since `seen`.
    ///
    /// # Errors
    ///
    /// When a field is missing or not valid, there is none with this id, somebody changed it meanwhile, or the database fails.
    pub async fn change_maintenance(
        &self,
        id: WindowId,
        seen: Option<Timestamp>,
        fields: WindowFields,
    ) -> Result<(), ServiceError> {
        let now = Timestamp::now();
        Ok(self.store.change_maintenance(id, seen, &fields.validate(now)?, now).await?)
    }

    /// Ends the occurrence of a maintenance window that takes place now.
    ///
    /// # Errors
    ///
    /// When there is none with this id, it does not take place now, or the database fails.
    pub async fn end_maintenance(&self, id: WindowId) -> Result<(), ServiceError> {
        Ok(self.store.end_maintenance(id, Timestamp::now()).await?)
    }

    /// Removes a maintenance window.
    ///
    /// # Errors
    ///
    /// When there is none with this id, or the database fails.
    pub async fn remove_maintenance(&self, id: WindowId) -> Result<(), ServiceError> {
        Ok(self.store.remove_maintenance(id, Timestamp::now()).await?)
    }
}
