//! Reads the OpenMetrics text that a registry of `prometheus-client` writes.

/// A metric with all its samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Family {
    /// As its `# TYPE` names it: without `_total` and the like.
    pub name: String,
    pub kind: String,
    pub help: String,
    pub unit: String,
    pub samples: Vec<Sample>,
}

/// One line with a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// What the line adds to the name of its family, such as `_total`.
    pub suffix: String,
    pub labels: Vec<(String, String)>,
    /// The value as it is written.
    pub value: String,
}

/// The metrics of a text, in their order. What it does not understand is left out.
pub(super) fn read(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (Some(word), Some(name), rest) = (words.next(), words.next(), words.next().unwrap_or_default()) else {
                continue;
            };
            if families.last().is_none_or(|family| family.name != name) {
                families.push(Family { name: name.to_owned(), ..Family::default() });
            }
            let Some(family) = families.last_mut() else { continue };
            match word {
                "TYPE" => rest.clone_into(&mut family.kind),
                "HELP" => rest.trim_end_matches('.').clone_into(&mut family.help),
                "UNIT" => rest.clone_into(&mut family.unit),
                _ => {}
            }
        } else if let Some(family) = families.last_mut() {
            family.samples.extend(sample(line, &family.name));
        }
    }
    families.retain(|family| !family.kind.is_empty());
    families
}

fn sample(line: &str, family: &str) -> Option<Sample> {
    let rest = line.strip_prefix(family)?;
    let (suffix, rest) = rest.split_at(rest.find(['{', ' '])?);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(labelled) => labels(labelled)?,
        None => (Vec::new(), rest),
    };
    // A time or an exemplar may follow.
    let value = rest.trim_start().split(' ').next().filter(|value| !value.is_empty())?;
    Some(Sample { suffix: suffix.to_owned(), labels, value: value.to_owned() })
}

/// The labels at the beginning of a text, behind the brace, and what follows them.
fn labels(mut text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = text.split_once("=\"")?;
        let (mut value, mut escaped, mut end) = (String::new(), false, None);
        for (place, c) in quoted.char_indices() {
            match (escaped, c) {
                (false, '\\') => escaped = true,
                (false, '"') => {
                    end = Some(place);
                    break;
                }
                (true, 'n') => (escaped, _) = (false, value.push('\n')),
                (_, c) => (escaped, _) = (false, value.push(c)),
            }
        }
        labels.push((name.to_owned(), value));
        text = quoted.get(end? + 1..)?;
        text = text.strip_prefix(',').unwrap_or(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_they_are_escaped() {
        let text = "# HELP a_b Something.\n# TYPE a_b gauge\n# UNIT a_b seconds\n\
                    a_b{x=\"1, \\\"2\\\"} \\\\ \\n3\",y=\"\"} 4.5\na_b 6\n# EOF\n";
        let labels = vec![("x".to_owned(), "1, \"2\"} \\ \n3".to_owned()), ("y".to_owned(), String::new())];
        let sample = |labels, value: &str| Sample { suffix: String::new(), labels, value: value.into() };
        let expected = Family {
            name: "a_b".into(),
            kind: "gauge".into(),
            help: "Something".into(),
            unit: "seconds".into(),
            samples: vec![sample(labels, "4.5"), sample(Vec::new(), "6")],
        };
        assert_eq!(read(text), [expected]);
    }

    #[test]
    fn what_is_no_metric_is_left_out() {
        assert_eq!(read("nothing\n# EOF\nx{y=\"z\n"), []);
        let text = "# TYPE x counter\nx_total{a=\"b 1\nother 3\nx_total\n";
        assert_eq!(read(text)[0].samples, []);
    }
}
