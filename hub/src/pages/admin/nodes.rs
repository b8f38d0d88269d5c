//! `/admin`: the nodes that wait for approval, the listed nodes, and those that were taken off the list.

use axum::{extract::State, response::Response};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{Duplicate, NodeFilter, Page, PageRequest, PeerFilter, PeerOrder, Submission, Timestamp},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use super::{frame, operator::Operator, queue};
use crate::{
    pages::{form, language::Texts, site::Site, standing, view::View, widgets},
    service::{Decision, Entry, NodeId, ServiceError},
    web::{
        EntryPath, Refusal,
        input::{Path, Query},
        parameter::{Text, Whole},
    },
};

const PER_PAGE: u32 = 50;

#[derive(Debug, Deserialize)]
pub struct AdminQuery {
    search: Option<Text<200>>,
    #[serde(default, deserialize_with = "empty_as_none")]
    page: Option<Whole<1, 1_000_000>>,
    /// The page of the approval queue.
    #[serde(default, deserialize_with = "empty_as_none")]
    queue: Option<Whole<1, 1_000_000>>,
    /// The page of the nodes that are not listed.
    #[serde(default, deserialize_with = "empty_as_none")]
    unlisted: Option<Whole<1, 1_000_000>>,
    /// The action that led to this page.
    #[serde(default, deserialize_with = "empty_as_none")]
    done: Option<Done>,
    /// How many submissions were approved, or rejected, together.
    #[serde(default, deserialize_with = "empty_as_none")]
    approved: Option<Whole<0, 1000>>,
    #[serde(default, deserialize_with = "empty_as_none")]
    rejected: Option<Whole<0, 1000>>,
    /// How many of them wait on, because they are listed already.
    #[serde(default, deserialize_with = "empty_as_none")]
    listed: Option<Whole<0, 1000>>,
    /// How many did not wait any more.
    #[serde(default, deserialize_with = "empty_as_none")]
    gone: Option<Whole<0, 1000>>,
}

impl AdminQuery {
    /// The message about the last action.
    fn outcome(&self, view: &View) -> Markup {
        let number = |count: &Option<Whole<0, 1000>>| count.as_ref().map_or(0, |count| count.0);
        let decided = |decision, done: &Whole<0, 1000>| {
            form::done(&view.language.decided(decision, done.0, number(&self.listed), number(&self.gone)))
        };
        match (&self.done, &self.approved, &self.rejected) {
            (Some(done), ..) => form::done(done.text(view.texts())),
            (_, Some(approved), _) => decided(Decision::Approve, approved),
            (.., Some(rejected)) => decided(Decision::Reject, rejected),
            (None, None, None) => form::no_outcome(),
        }
    }
}

/// An action on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Done {
    Approved,
    Revoked,
    Deleted,
    Rejected,
    Saved,
    Watched,
}

impl Done {
    fn name(self) -> &'static str {
        ["approved", "revoked", "deleted", "rejected", "saved", "watched"][self as usize]
    }

    fn text(self, texts: &Texts) -> &'static str {
        match self {
            Self::Approved => texts.approved_done,
            Self::Revoked => texts.unlisted_done,
            Self::Deleted => texts.deleted_done,
            Self::Rejected => texts.rejected_done,
            Self::Saved => texts.saved_done,
            Self::Watched => texts.watched_done,
        }
    }

    /// A redirect to the list of nodes, with the same filter and page as before.
    pub fn back(self, view: &View) -> Response {
        form::see_other(&view.at("/admin", &[("done", self.name())]))
    }
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<AdminQuery>,
) -> Result<Response, Refusal> {
    // Links of this page must not repeat the message about the last action.
    let view = ["done", "approved", "rejected", "listed", "gone"].into_iter().fold(view, View::without_parameter);
    let outcome = query.outcome(&view);
    let texts = view.texts();
    let now = Timestamp::now();
    let search = query.search.map(|search| search.0).filter(|search| !search.trim().is_empty());
    let read = async |list, number| Part::read(&site.store, list, search.as_deref(), number).await;
    let waiting = read(List::Pending, query.queue).await?;
    let listed = read(List::Listed, query.page).await?;
    let unlisted = read(List::Unlisted, query.unlisted).await?;
    let content = html! {
        (outcome)
        div.heading {
            form.inline action="/admin" method="get" role="search" {
                input type="search" name="search" aria-label=(texts.search) placeholder=(texts.search_hint) value=[search.as_deref()];
                button type="submit" { (texts.search) }
            }
        }
        section.panel #queue {
            h2 { (texts.queue) " (" (waiting.total) ")" }
            @if decides_together(&view, &waiting) { (queue::buttons(&view, &waiting.items)) }
            (waiting.shown(&view, "queue", if search.is_some() { texts.no_nodes } else { texts.queue_empty }, now))
        }
        section.panel {
            div.heading {
                h2 { (texts.listed) " (" (listed.total) ")" }
                a.button href="/admin/export.json" download="nodes.json" { (texts.export) }
            }
            (listed.shown(&view, "page", texts.no_nodes, now))
        }
        @if unlisted.total > 0 {
            section.panel {
                h2 { (texts.unlisted) " (" (unlisted.total) ")" }
                (unlisted.shown(&view, "unlisted", texts.no_nodes, now))
            }
        }
    };
    Ok(frame::page(&view, texts.nodes, &content))
}

/// Lists a node.
pub async fn approve(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Result<Response, ServiceError> {
    site.admin.approve_node(id).await?;
    Ok(Done::Approved.back(&view))
}

/// Takes a node off the list.
pub async fn revoke(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Result<Response, ServiceError> {
    site.admin.revoke_node(id).await?;
    Ok(Done::Revoked.back(&view))
}

/// Has a node checked again that was set aside.
pub async fn watch(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Result<Response, ServiceError> {
    site.admin.watch_node(id).await?;
    Ok(Done::Watched.back(&view))
}

/// Whether submissions can be selected, to be approved or rejected together.
fn decides_together(view: &View, waiting: &Part) -> bool {
    waiting.items.len() > 1 && !standing::is_closed(view)
}

/// A list of the page.
#[derive(Debug, Clone, Copy)]
enum List {
    /// The approval queue, the oldest first.
    Pending,
    /// The newest first.
    Listed,
    /// The newest first.
    Unlisted,
}

impl List {
    async fn page(self, store: &Store, search: Option<&str>, page: PageRequest) -> Result<Page<Entry>, StoreError> {
        let node = NodeFilter { search: search.map(str::to_owned), ..NodeFilter::default() };
        let peers = async |approved| {
            let filter = PeerFilter { approved: Some(approved), node: node.clone(), order: PeerOrder::NewestFirst };
            let Page { items, total } = store.peers(&filter, page).await?;
            Ok(Page { items: items.into_iter().map(Entry::Peer).collect(), total })
        };
        match self {
            Self::Pending => {
                let Page { items, total } = store.submissions(&node, PeerOrder::OldestFirst, page).await?;
                Ok(Page { items: items.into_iter().map(Entry::Pending).collect(), total })
            }
            Self::Listed => peers(true).await,
            Self::Unlisted => peers(false).await,
        }
    }
}

/// One page of a list.
struct Part {
    items: Vec<Entry>,
    total: u64,
    number: u32,
    pages: u32,
}

impl Part {
    /// The page with the number in the query, or the last page if there are fewer now.
    async fn read(
        store: &Store,
        list: List,
        search: Option<&str>,
        number: Option<Whole<1, 1_000_000>>,
    ) -> Result<Self, StoreError> {
        let mut number = number.map_or(1, |number| number.0);
        loop {
            let page = PageRequest { page: number, per_page: PER_PAGE };
            let Page { items, total } = list.page(store, search, page).await?;
            let pages = u32::try_from(total.div_ceil(PER_PAGE.into())).unwrap_or(u32::MAX).max(1);
            if number <= pages {
                return Ok(Self { items, total, number, pages });
            }
            number = pages;
        }
    }

    fn shown(&self, view: &View, name: &str, empty: &str, now: Timestamp) -> Markup {
        let is_set_aside = |entry: &Entry| matches!(entry, Entry::Peer(record) if record.set_aside);
        let texts = view.texts();
        html! {
            @if self.items.iter().any(is_set_aside) {
                p.muted {
                    (view.language.labelled(texts.set_aside, texts.set_aside_hint))
                    @if standing::is_closed(view) { (view.language.sentence_gap()) (texts.hand_over_nodes) }
                }
            }
            @if self.items.is_empty() { p.empty { (empty) } } @else { (table(view, &self.items, now)) }
            (widgets::paging(view, name, self.number as usize, self.pages as usize))
        }
    }
}

fn table(view: &View, entries: &[Entry], now: Timestamp) -> Markup {
    let texts = view.texts();
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.node, texts.status, texts.contact, texts.added_at, texts.actions]))
                tbody { @for entry in entries { (row(view, entry, entries.len() > 1 && !standing::is_closed(view), now)) } }
            }
        }
    }
}

/// `is_one_of_many`: whether a submission can be selected.
fn row(view: &View, entry: &Entry, is_one_of_many: bool, now: Timestamp) -> Markup {
    let (texts, spec) = (view.texts(), entry.spec());
    let contacts = &spec.contacts;
    let labelled = |label, contact: &str| view.language.labelled(label, contact);
    let contacts = [
        contacts.mail.clone(),
        contacts.qq_number.as_deref().map(|number| labelled(texts.qq_number, number)),
        contacts.wechat.as_deref().map(|name| labelled(texts.wechat, name)),
    ];
    let path = |action: &str| path(view, entry.id(), action);
    let (approve, revoke) = (
        || frame::button(&path("/approve"), texts.approve, "primary"),
        || frame::button(&path("/revoke"), texts.unlist, ""),
    );
    let is_closed = standing::is_closed(view);
    let action = match entry {
        _ if is_closed => html! {},
        Entry::Pending(submission) if is_listed(submission) => html! {},
        Entry::Pending(_) => approve(),
        Entry::Peer(record) if record.set_aside => frame::button(&path("/watch"), texts.watch, "primary"),
        Entry::Peer(record) if record.approved => revoke(),
        Entry::Peer(_) => approve(),
    };
    let delete = match entry {
        Entry::Pending(_) => texts.reject,
        Entry::Peer(_) => texts.delete,
    };
    let is_deletable = !is_closed || !is_shared(entry);
    html! {
        tr {
            th scope="row" {
                @if is_one_of_many && matches!(entry, Entry::Pending(_)) { (queue::tick(view, entry)) }
                a href=(path("")) { (spec.name) }
                div.muted { code { (spec.url.full()) } }
                @if !spec.description.is_empty() { div.muted.description { (spec.description) } }
                @if !spec.tags.is_empty() { div.tags { @for tag in &spec.tags { span.tag { (tag) } } } }
            }
            td data-label=(texts.status) { (status(view, entry)) }
            td data-label=(texts.contact) { @for contact in contacts.into_iter().flatten() { div { (contact) } } }
            td data-label=(texts.added_at) { (widgets::ago(view.language, entry.created_at(), now)) }
            td.acts {
                (action)
                @if is_deletable { " " a.button.danger href=(path("/delete")) { (delete) } }
            }
        }
    }
}

/// A path of a node within `/admin`.
fn path(view: &View, id: NodeId, action: &str) -> String {
    view.at(&format!("/admin/nodes/{id}{action}"), &[])
}

/// Whether other instances have the node too: a submission waits at this instance alone, and so does a node that is set aside.
pub fn is_shared(entry: &Entry) -> bool {
    matches!(entry, Entry::Peer(record) if !record.set_aside)
}

/// Whether a peer has the address and network of a submission, which then cannot be approved.
fn is_listed(submission: &Submission) -> bool {
    submission.duplicates.iter().any(|duplicate| matches!(duplicate, Duplicate::Peer(_)))
}

fn status(view: &View, entry: &Entry) -> Markup {
    let texts = view.texts();
    let duplicates = match entry {
        Entry::Peer(record) if record.set_aside => return html! { (texts.set_aside) },
        Entry::Peer(record) if record.approved => return widgets::state(view.language, record.verdict),
        Entry::Peer(_) => return html! { (texts.unlisted) },
        Entry::Pending(submission) => &submission.duplicates,
    };
    let link = |id: NodeId| html! { " " a href=(path(view, id, "")) { (id) } };
    let of = |wanted: fn(NodeId) -> bool| duplicates.iter().copied().map(NodeId::from).filter(move |id| wanted(*id));
    let (peers, others) =
        (of(|id| matches!(id, NodeId::Peer(_))), of(|id| matches!(id, NodeId::Pending(_))).collect::<Vec<_>>());
    html! {
        (texts.pending)
        @for id in peers { div.muted { (texts.exists_as) (link(id)) } }
        @if !others.is_empty() { div.muted { (texts.also_submitted_as) @for id in others { (link(id)) } } }
    }
}
