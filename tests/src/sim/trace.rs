//! What happened in a run, and the hash over all of it: equal runs have equal hashes.

use xunyuan_core::id::hash_parts;

/// The story of a run so far.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    lines: Vec<String>,
    hash: [u8; 32],
}

impl Trace {
    /// Adds something that happened, in words.
    pub fn say(&mut self, line: String) {
        self.note(line.as_bytes());
        self.lines.push(line);
    }

    /// Adds bytes that somebody sent, received or keeps: only to the hash.
    pub fn note(&mut self, bytes: &[u8]) {
        self.hash = hash_parts("trace", &[&self.hash, bytes]);
    }

    /// What happened, a line each.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The hash over everything, hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        self.hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}
