//! The log of a test at the lowest level, with the lines of libraries.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter, util::SubscriberInitExt};

/// Collects the log of this thread until dropped.
pub struct Logs {
    text: Buffer,
    _guard: DefaultGuard,
}

impl Logs {
    pub fn collect() -> Self {
        let text = Buffer::default();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false).with_writer(text.clone());
        Self { text, _guard: subscriber.finish().set_default() }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.text.0.lock().unwrap().clone()).expect("UTF-8")
    }

    /// How many lines of warnings have all of these words.
    pub fn warnings_with(&self, words: &str) -> usize {
        self.text().lines().filter(|line| line.contains(" WARN ") && line.contains(words)).count()
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
