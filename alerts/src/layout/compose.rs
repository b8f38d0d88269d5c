//! Title, paragraphs, nodes and links of a message, in this order, within a length.

use url::Url;

use super::{
    clean::inert,
    labels,
    markup::{Markup, PLAIN, escaped},
};
use crate::{Message, NodeLine, Topic};

/// How much is told of one name, in characters: one node must not take the room of the others.
const LONGEST_NAME: usize = 80;

/// How much is told of what happened to one node, in characters.
const LONGEST_WHAT: usize = 160;

/// The beginning of `text` with each character escaped, at most `limit` long. It ends at a whole character, with `…` if
/// something is missing.
pub fn cut(text: &str, escape: fn(char, &mut String), length: fn(&str) -> usize, limit: usize) -> String {
    const END: &str = "…";
    let whole = escaped(escape, text);
    if length(&whole) <= limit {
        return whole;
    }
    let Some(mut room) = limit.checked_sub(length(END)) else { return String::new() };
    let mut beginning = String::new();
    for c in text.chars() {
        let next = escaped(escape, c.encode_utf8(&mut [0; 4]));
        let Some(left) = room.checked_sub(length(&next)) else { break };
        room = left;
        beginning.push_str(&next);
    }
    beginning + END
}

/// A stranger's text, [`inert`] and at most `limit` characters long.
pub fn one_line(text: &str, limit: usize) -> String {
    cut(&inert(text), PLAIN.escape, super::characters, limit)
}

/// The title, at most `limit` long and never empty: services refuse that.
pub fn title(message: &Message, markup: &Markup, limit: usize) -> String {
    match inert(&message.title) {
        title if title.is_empty() => "EasyTier".to_owned(),
        title => cut(&title, markup.escape, markup.length, limit),
    }
}

/// The links of a message with their labels.
pub fn links(message: &Message) -> Vec<(&'static str, &Url)> {
    let Message { language, url, acknowledge, unsubscribe, .. } = message;
    let open = if message.topic == Topic::Subscription { labels::confirm } else { labels::open };
    let all = [
        (open(*language), url),
        (labels::acknowledge(*language), acknowledge),
        (labels::unsubscribe(*language), unsubscribe),
    ];
    all.into_iter().filter_map(|(label, url)| Some((label, url.as_ref()?))).collect()
}

/// Title and [`body`], at most `limit` long.
pub fn whole(message: &Message, markup: &Markup, limit: usize) -> String {
    let (open, close) = markup.strong;
    let around = (markup.length)(open) + (markup.length)(close);
    let Some(room) = (limit / 2).checked_sub(around) else { return String::new() };
    let head = format!("{open}{}{close}", title(message, markup, room));
    let left = limit.saturating_sub((markup.length)(&head) + (markup.length)(markup.paragraph));
    match body(message, markup, left) {
        body if body.is_empty() => head,
        body => head + markup.paragraph + &body,
    }
}

/// The paragraphs, the nodes and the links, at most `limit` long. Links stay, and the number of nodes that are left out is
/// told, before there is room for anything else.
pub fn body(message: &Message, markup: &Markup, limit: usize) -> String {
    let links = links_within(message, markup, limit / 2);
    let mut text = Text { markup, room: limit, text: String::new() };
    let kept = text.reserve(&links);
    paragraphs(message, &mut text);
    nodes(message, &mut text);
    text.room += kept;
    text.push(markup.paragraph, &links);
    text.text
}

/// As many links as fit.
fn links_within(message: &Message, markup: &Markup, limit: usize) -> String {
    let mut lines = String::new();
    for (label, url) in links(message) {
        let link = (markup.link)(label, url);
        let line = if lines.is_empty() { link } else { format!("{}{link}", markup.line) };
        if (markup.length)(&lines) + (markup.length)(&line) > limit {
            break;
        }
        lines.push_str(&line);
    }
    lines
}

fn paragraphs(message: &Message, text: &mut Text<'_>) {
    let kept = match message.nodes.len() {
        0 => 0,
        count => text.reserve(&note(message, count, text.markup)),
    };
    for line in &message.lines {
        let room = text.room_after(text.markup.paragraph);
        // The nodes need room too.
        let room = if message.nodes.is_empty() { room } else { room / 2 };
        let line = cut(&inert(line), text.markup.escape, text.markup.length, room);
        text.push(text.markup.paragraph, &line);
    }
    text.room += kept;
}

fn nodes(message: &Message, text: &mut Text<'_>) {
    let markup = text.markup;
    let separator = |at| if at == 0 { markup.paragraph } else { markup.line };
    let lines: Vec<String> = message.nodes.iter().map(|node| node_line(node, markup)).collect();
    let all: usize = lines.iter().enumerate().map(|(at, line)| text.cost(separator(at), line)).sum();
    if all <= text.room {
        for (at, line) in lines.iter().enumerate() {
            text.push(separator(at), line);
        }
        return;
    }
    let kept = text.reserve(&note(message, lines.len(), markup));
    let fitting = lines.iter().enumerate().take_while(|(at, line)| text.push(separator(*at), line)).count();
    text.room += kept;
    text.push(separator(fitting), &note(message, lines.len() - fitting, markup));
}

fn note(message: &Message, count: usize, markup: &Markup) -> String {
    escaped(markup.escape, &labels::left_out(message.language, count))
}

fn node_line(node: &NodeLine, markup: &Markup) -> String {
    let name = one_line(&node.name, LONGEST_NAME);
    let what = one_line(&node.what, LONGEST_WHAT);
    let name = if name.is_empty() { format!("#{}", node.id) } else { name };
    let line = if what.is_empty() { name } else { format!("{name}: {what}") };
    format!("{}{}", markup.bullet, escaped(markup.escape, &line))
}

/// A text that is put together, and the room that is left.
struct Text<'a> {
    markup: &'a Markup,
    room: usize,
    text: String,
}

impl Text<'_> {
    /// What `part` takes after `separator`, which separates it from what is there.
    fn cost(&self, separator: &str, part: &str) -> usize {
        (self.markup.length)(separator) + (self.markup.length)(part)
    }

    fn room_after(&self, separator: &str) -> usize {
        self.room.saturating_sub((self.markup.length)(separator))
    }

    /// Appends `part` if it fits; nothing takes no room.
    fn push(&mut self, separator: &str, part: &str) -> bool {
        if part.is_empty() {
            return true;
        }
        let Some(left) = self.room.checked_sub(self.cost(separator, part)) else { return false };
        self.room = left;
        if !self.text.is_empty() {
            self.text.push_str(separator);
        }
        self.text.push_str(part);
        true
    }

    /// Keeps room for a paragraph that comes later; returns how much.
    fn reserve(&mut self, part: &str) -> usize {
        if part.is_empty() {
            return 0;
        }
        let kept = self.cost(self.markup.paragraph, part).min(self.room);
        self.room -= kept;
        kept
    }
}
