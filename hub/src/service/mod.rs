//! The use cases of the hub, with their limits. The API, the pages and the command line are fronts for them.

mod error;

pub use self::error::{FieldError, FieldProblem, Forbidden, ServiceError};
