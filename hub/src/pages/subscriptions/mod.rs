//! Subscriptions by mail: the form on the page of a node, and the page that links in mails lead to.

mod ask;
mod manage;

pub use self::{
    ask::{form, subscribe},
    manage::{ONE_CLICK, PATH, act, one_click, page},
};
