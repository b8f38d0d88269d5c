//! Writes the results to standard output, a file, and the files of GitHub Actions.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use anstream::AutoStream;
use anyhow::Context;
use easytier_probe::CycleReport;

use super::{Format, Outcome, json, junit, markdown, text};

/// On GitHub Actions this variable names a file for Markdown that is shown on the page of the run.
const STEP_SUMMARY_VARIABLE: &str = "GITHUB_STEP_SUMMARY";

/// On GitHub Actions this variable names a file for `name=value` lines that later steps can read.
const STEP_OUTPUT_VARIABLE: &str = "GITHUB_OUTPUT";

pub enum Output {
    Stdout,
    File(File, PathBuf),
}

impl Output {
    /// Opens the file at `path`, or standard output.
    pub fn open(path: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdout) };
        let file = File::create(&path).with_context(|| format!("cannot write to '{}'", path.display()))?;
        Ok(Self::File(file, path))
    }

    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(..))
    }

    pub fn write(&self, outcome: &Outcome, format: Format) -> anyhow::Result<()> {
        match self {
            Self::Stdout => write(&mut anstream::stdout().lock(), outcome, format),
            Self::File(file, path) => {
                let file = file.try_clone()?;
                write(&mut BufWriter::new(AutoStream::never(file)), outcome, format)
                    .with_context(|| format!("cannot write to '{}'", path.display()))
            }
        }
    }
}

fn write(out: &mut impl Write, outcome: &Outcome, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Text => text::write(out, outcome)?,
        Format::Json => json::write(out, outcome)?,
        Format::Junit => junit::write(out, outcome)?,
        Format::Markdown => markdown::write(out, outcome)?,
    }
    Ok(out.flush()?)
}

/// On GitHub Actions, appends the results to the page of the run.
pub fn append_to_step_summary(outcome: &Outcome) -> anyhow::Result<()> {
    append(STEP_SUMMARY_VARIABLE, |file| markdown::write(file, outcome))
}

/// On GitHub Actions, tells later steps how many peers are online, offline and unknown.
pub fn append_to_step_output(outcome: &Outcome) -> anyhow::Result<()> {
    let CycleReport { online, offline, unknown, skipped, .. } = &outcome.cycle;
    // Nothing is known of peers that were not checked.
    let unknown = unknown + skipped;
    append(STEP_OUTPUT_VARIABLE, |file| write!(file, "online={online}\noffline={offline}\nunknown={unknown}\n"))
}

/// Appends to the file that the variable names, if it does.
fn append(variable: &str, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> anyhow::Result<()> {
    let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) else { return Ok(()) };
    let append = || -> io::Result<()> {
        let mut file = BufWriter::new(OpenOptions::new().append(true).create(true).open(&path)?);
        write(&mut file)?;
        file.flush()
    };
    append().with_context(|| format!("cannot append to '{}' ({variable})", path.display()))
}
