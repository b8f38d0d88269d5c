//! Where a region or an instance is, by its name: the names of cities, countries, continents, airports, and of the regions of
//! cloud providers.

use std::{collections::HashMap, sync::LazyLock};

use super::position::Position;

const TABLE: &str = include_str!("places.txt");

/// Longer runs of words, and longer parts of Chinese text, are no name.
const MAX_WORDS: usize = 5;
const MAX_CHARACTERS: usize = 8;

/// Shorter names of Latin letters count only at the beginning and at the end: they are parts of many other names.
const SHORT: usize = 3;

/// How narrow a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Continent,
    Country,
    City,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    kind: Kind,
    position: Position,
    /// Whether the name must be all there is.
    is_alone: bool,
}

/// By the words of their names, joined by `-`.
static PLACES: LazyLock<HashMap<String, Place>> = LazyLock::new(|| TABLE.lines().filter_map(read).flatten().collect());

/// Reads a line of the table; `None` for a comment.
fn read(line: &str) -> Option<Vec<(String, Place)>> {
    let mut parts = line.splitn(4, ' ');
    let (north, east) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let position = Position::new(north, east)?;
    let kind = match parts.next()? {
        "city" => Kind::City,
        "country" => Kind::Country,
        "continent" => Kind::Continent,
        _ => return None,
    };
    let names = parts.next()?.split(", ");
    Some(names.map(|name| (words(name).join("-"), Place { kind, position, is_alone: name.starts_with('=') })).collect())
}

/// The position of the narrowest place in a name: `eu-frankfurt-1`, `AWS us_east_1`, `fra1`, `上海电信`.
pub fn find(name: &str) -> Option<Position> {
    let words = words(name);
    let mut found: Vec<Found> = (0..words.len()).flat_map(|start| runs(&words, start)).collect();
    // Some write `eastus` in words.
    let joined = PLACES.get(&words.concat()).filter(|_| !PLACES.contains_key(&words.join("-")));
    let whole = joined.map(|place| Found::new(place, 0, words.len(), usize::MAX));
    found.extend(whole);
    // `us` in `us-east-1` says nothing more.
    let is_part = |one: &Found| {
        found.iter().any(|other| {
            other.start <= one.start && one.end <= other.end && other.end - other.start > one.end - one.start
        })
    };
    let narrowest = found.iter().filter(|one| !is_part(one)).max_by_key(|one| (one.place.kind, one.length));
    narrowest.map(|one| one.place.position)
}

/// A place whose name is words `start..end`.
struct Found {
    place: Place,
    start: usize,
    end: usize,
    length: usize,
}

impl Found {
    fn new(place: &Place, start: usize, end: usize, length: usize) -> Self {
        Self { place: *place, start, end, length }
    }
}

/// The places that begin with the word `start`.
fn runs(words: &[String], start: usize) -> Vec<Found> {
    let ends = start + 1..=words.len().min(start + MAX_WORDS);
    let mut found: Vec<Found> = ends
        .filter_map(|end| {
            let name = words.get(start..end)?.join("-");
            let is_alone = start == 0 && words.iter().skip(end).all(|word| is_number(word));
            let is_at_an_end = start == 0 || end == words.len() || is_alone;
            let may_count = |place: &&Place| (is_alone || !place.is_alone) && (is_at_an_end || name.len() > SHORT);
            Some(Found::new(PLACES.get(&name).filter(may_count)?, start, end, name.len()))
        })
        .collect();
    if let Some(word) = words.get(start) {
        found.extend(within(word).into_iter().map(|(place, length)| Found::new(place, start, start + 1, length)));
    }
    found
}

/// The places in one word: before a number in `fra1`, anywhere in Chinese text.
fn within(word: &str) -> Vec<(&'static Place, usize)> {
    let known = |name: &str| PLACES.get(name).filter(|place| !place.is_alone).map(|place| (place, name.len()));
    let characters: Vec<char> = word.chars().collect();
    if !characters.iter().any(|character| is_ideograph(*character)) {
        let letters = word.trim_end_matches(|character: char| character.is_ascii_digit());
        return known(letters).filter(|_| letters.len() < word.len()).into_iter().collect();
    }
    let mut found = Vec::new();
    for start in 0..characters.len() {
        let names = characters.iter().skip(start).take(MAX_CHARACTERS).scan(String::new(), |name, character| {
            name.push(*character);
            Some(name.clone())
        });
        // The longest name that begins here: the Chinese name of Romania begins with that of Rome.
        let longest = names.enumerate().filter_map(|(nth, name)| Some((start + nth, known(&name)?))).last();
        // It does not count within another one.
        if let Some((end, place)) = longest
            && found.last().is_none_or(|(last, _)| *last < end)
        {
            found.push((end, place));
        }
    }
    found.into_iter().map(|(_, place)| place).collect()
}

/// The words of a name, in lower case. Chinese text is a word of its own; a zone (`1a`) is that of its number.
fn words(name: &str) -> Vec<String> {
    let name = name.to_lowercase();
    let characters: Vec<char> = name.chars().filter(|character| !matches!(character, '\'' | '’')).collect();
    let runs = characters.chunk_by(|a, b| sort_of(*a) == sort_of(*b));
    let words = runs.filter(|run| run.first().is_some_and(|first| first.is_alphanumeric()));
    words.map(|word| without_zone(&word.iter().collect::<String>()).to_owned()).collect()
}

fn sort_of(character: char) -> u8 {
    match character {
        ideograph if is_ideograph(ideograph) => 2,
        other => u8::from(other.is_alphanumeric()),
    }
}

fn is_ideograph(character: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&character)
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

fn without_zone(word: &str) -> &str {
    let number = word.strip_suffix(|letter: char| letter.is_ascii_lowercase());
    number.filter(|number| !number.is_empty() && is_number(number)).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{
        super::position::{HEIGHT, WIDTH},
        *,
    };

    fn lines() -> impl Iterator<Item = &'static str> {
        TABLE.lines().filter(|line| !line.starts_with('#'))
    }

    #[test]
    fn every_name_is_there_once_and_every_place_is_on_the_map() {
        let mut names = BTreeSet::new();
        for line in lines() {
            let places = read(line).unwrap_or_else(|| panic!("{line}"));
            for (name, place) in places {
                let (x, y) = place.position.projected();
                let is_inside = x > 0.0 && x < WIDTH && y > 0.0 && y < HEIGHT;
                assert!(is_inside && !name.is_empty(), "{name} at {x} {y}");
                assert!(names.insert(name.clone()), "{name} is there twice");
            }
            assert_eq!(line, line.to_lowercase());
        }
        assert!(names.len() > 1000, "{}", names.len());
        assert_eq!(PLACES.len(), names.len());
    }

    #[test]
    fn the_table_is_sorted() {
        let first = |line: &'static str| line.splitn(4, ' ').nth(3).unwrap().split(',').next().unwrap();
        let all: Vec<&str> = lines().map(first).collect();
        assert!(all.is_sorted(), "{:?}", all.windows(2).find(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn every_name_leads_to_its_own_place() {
        for (name, place) in lines().filter_map(read).flatten() {
            assert_eq!(find(&name), Some(place.position), "{name}");
            assert_eq!(find(&name.to_uppercase().replace('-', "_")), Some(place.position), "{name}");
        }
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        for (name, of) in [
            ("eu-frankfurt-1", "frankfurt"),
            ("Frankfurt am Main", "frankfurt"),
            ("FRA1", "frankfurt"),
            ("aws-eu-central-1a", "frankfurt"),
            ("hetzner fsn1-dc14", "falkenstein"),
            ("europe-west3-b", "frankfurt"),
            ("us_west_2", "oregon"),
            ("us-west2", "los angeles"),
            ("East US", "east us"),
            ("westus2", "seattle"),
            ("US East 1", "ashburn"),
            ("aliyun-eu-west-1", "london"),
            ("aws eu-west-1", "dublin"),
            ("cn-hangzhou-b", "hangzhou"),
            ("上海电信2", "上海"),
            ("阿里云 华东1（杭州）", "杭州"),
            ("中国香港", "香港"),
            ("印度尼西亚", "indonesia"),
            ("罗马尼亚电信", "romania"),
            ("Xi'an", "xian"),
            ("São Paulo", "sao paulo"),
            ("asia-tokyo", "tokyo"),
            ("north america", "north america"),
            ("home in Berlin", "berlin"),
            ("de", "germany"),
            ("jp-2", "japan"),
            ("EU", "europe"),
            ("no", "norway"),
        ] {
            assert_eq!(find(name), find(of), "{name}");
            assert!(find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn other_names_are_no_place() {
        for name in
            ["", "home", "local", "hub", "my-home", "probe in the office", "rack can 7", "区域", "-_ ", "p1", "7"]
        {
            assert_eq!(find(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_answered(name in "\\PC{0,80}") {
            let _ = find(&name);
        }
    }
}
