//! The board as the source of the nodes in the public API.

use axum::{http::HeaderMap, response::Response};
use easytier_uptime_monitor::{
    Refusal,
    public::source::{Figures, JSON, Nodes, Reading, list_document, node_document},
};
use easytier_uptime_store::domain::{NodeFilter, Page, PageRequest, PeerId, Timestamp, Verdict};

use super::{documents::Key, keeper::Board, snapshot::Entry};

impl Nodes for Board {
    fn list<'a>(&'a self, filter: NodeFilter, page: PageRequest, request: &'a HeaderMap) -> Reading<'a, Response> {
        Box::pin(async move {
            let snapshot = self.newest().await?;
            let name = format!("/api/nodes {page:?} {filter:?}");
            let key = Key { name, variant: "json", vary: "origin", media_type: JSON };
            self.respond(&snapshot, &key, request, || {
                let found: Vec<&Entry> = snapshot.filtered(&filter).collect();
                let (page_nr, per_page) = (page.page.max(1) as usize - 1, page.per_page.max(1) as usize);
                let shown = found.iter().skip(page_nr.saturating_mul(per_page)).take(per_page);
                let items = shown.filter_map(|entry| entry.item()).collect();
                list_document(Page { items, total: found.len() as u64 }, page)
            })
        })
    }

    fn node<'a>(&'a self, id: PeerId, request: &'a HeaderMap) -> Reading<'a, Response> {
        Box::pin(async move {
            let snapshot = self.newest().await?;
            let entry = snapshot.entry(id).ok_or_else(|| Refusal::not_found("node"))?;
            let key = Key { name: format!("/api/nodes/{id}"), variant: "json", vary: "origin", media_type: JSON };
            self.respond(&snapshot, &key, request, || node_document(entry.item()))
        })
    }

    fn address(&self, id: PeerId) -> Reading<'_, String> {
        Box::pin(async move {
            let snapshot = self.newest().await?;
            snapshot.entry(id).map(|entry| entry.node().url.full()).ok_or_else(|| Refusal::not_found("node"))
        })
    }

    fn tags(&self) -> Reading<'_, Vec<String>> {
        Box::pin(async move { Ok(self.newest().await?.facets().tags.iter().cloned().collect()) })
    }

    fn figures(&self) -> Reading<'_, Figures> {
        Box::pin(async move {
            let snapshot = self.newest().await?;
            let probes = &snapshot.probes;
            Ok(Figures {
                nodes: Verdict::ALL.map(|verdict| (verdict, snapshot.count(verdict))).into(),
                probes: probes.probes.iter().map(|probe| probe.presence).collect(),
                doubted_regions: probes.doubts.len(),
            })
        })
    }

    fn are_in_memory(&self) -> bool {
        true
    }

    fn stale_since(&self) -> Option<Timestamp> {
        self.known()?.stale_since
    }
}
