//! Sources on the pages of the operator.

use axum::http::StatusCode;
use easytier_probe::{
    peer_list::ListProblem,
    remote_list::{ListVersion, Obstacle},
};
use easytier_uptime_store::domain::{ListFault, NewPeer, SourceId, SourceProblem, SourceReading, Timestamp};

use crate::{
    HOSTILE,
    desk::{Desk, assert_goes_to},
    support::spec,
};

const PATH: &str = "/admin/sources";

#[tokio::test]
async fn a_source_is_added_shown_with_its_last_error_asked_for_and_removed_on_the_page() {
    let desk = Desk::new().await;
    let form =
        [("url", "https://site.example/list?key=s3cr3t"), ("name", HOSTILE), ("every", "1h"), ("trusted", "true")];
    assert_goes_to(&desk.post(PATH, &form, "en").await, "/admin/sources?done=added");
    let page = desk.get("/admin/sources?done=added", "en").await;
    for shown in ["The source is added", "https://site.example/list", "trusted", "not fetched yet"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("s3cr3t") && !page.contains("<script>alert"), "{page}");

    let now = Timestamp::now();
    let peers = vec![NewPeer::of_operator(spec("tcp://192.0.2.1:11010"))];
    let reading = SourceReading::List {
        peers,
        refused: 1,
        refusals: vec![format!("line 2: {HOSTILE}")],
        version: ListVersion::default(),
    };
    let source = desk.hub.source(SourceId(1)).await.unwrap();
    desk.hub.follow_source(&source, &reading, now, now).await.unwrap();
    let page = desk.get(PATH, "en").await;
    for shown in ["Last read", "1 listed, 1 here because of it", "1 entry is not a node", "line 2: "] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("<script>alert") && !page.contains("Take the short list"), "{page}");

    let source = desk.hub.source(SourceId(1)).await.unwrap();
    let short = SourceReading::Failed(SourceProblem::Short { listed: 3, before: 9 });
    desk.hub.follow_source(&source, &short, now, now).await.unwrap();
    let chinese = desk.get(PATH, "zh").await;
    assert!(chinese.contains("列表只剩 3 个节点，之前有 9 个。") && chinese.contains("接受缩短后的列表"), "{chinese}");
    let asked = desk.post("/admin/sources/1/fetch", &[("take_short", "true")], "en").await;
    assert_goes_to(&asked, "/admin/sources?done=asked");
    assert!(desk.hub.source(SourceId(1)).await.unwrap().takes_short);

    assert!(desk.get("/admin/sources/1/remove", "en").await.contains("The nodes that it brought stay."));
    assert_goes_to(&desk.post("/admin/sources/1/remove", &[], "en").await, "/admin/sources?done=removed");
    assert!(desk.hub.sources().await.unwrap().is_empty());
}

#[tokio::test]
async fn why_a_list_cannot_be_read_is_told_in_the_language_of_the_page() {
    let desk = Desk::new().await;
    assert_goes_to(&desk.post(PATH, &[("url", "https://site.example/list")], "en").await, "/admin/sources?done=added");
    let html = ListFault::NotAList(ListProblem::WebPage);
    for (cause, fault, chinese) in [
        ("Connection refused", ListFault::Unreachable(Obstacle::Refused), "无法连接：连接被拒绝。"),
        ("it answered 502", ListFault::Answered { status: 502 }, "对方返回 502。"),
        ("it is a web page", html, "这是网页，不是节点列表"),
        (
            "it gave 3 of 9",
            ListFault::Incomplete { given: 3, announced: Some(9) },
            "对方称有 9 个节点，但只给出 3 个。",
        ),
        ("something new", ListFault::Other, "无法读取列表：something new"),
    ] {
        let (source, now) = (desk.hub.source(SourceId(1)).await.unwrap(), Timestamp::now());
        let problem = SourceProblem::Unreadable { cause: cause.to_owned(), fault };
        desk.hub.follow_source(&source, &SourceReading::Failed(problem), now, now).await.unwrap();
        let english = desk.get(PATH, "en").await;
        assert!(english.contains(&format!("<div class=\"problem\">{cause}</div>")), "{english}");
        let shown = format!("<div class=\"problem\" title=\"{cause}\">{chinese}");
        assert!(desk.get(PATH, "zh").await.contains(&shown), "{shown}");
    }
}

#[tokio::test]
async fn a_source_that_is_not_valid_is_refused_beside_its_field() {
    let desk = Desk::new().await;
    for (form, english, chinese) in [
        ([("url", "nodes.txt"), ("every", "1h")], "http or https", "http 或 https"),
        ([("url", "https://site.example"), ("every", "1s")], "from 60s to 168h", "60s 到 168h"),
    ] {
        for (language, said) in [("en", english), ("zh", chinese)] {
            let reply = desk.post(PATH, &form, language).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST);
            assert!(reply.text().contains(said) && reply.text().contains("aria-invalid"), "{}", reply.text());
        }
    }
}
