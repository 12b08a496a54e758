//! How serious a word looks: the colours of badges and figures.

use xunyuan_core::definition::{Field, Ledger};

/// How serious something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing to say.
    #[default]
    Plain,
    /// Done, in order.
    Good,
    /// Going on.
    Busy,
    /// Look at it.
    Warn,
    /// Too late, wrong, refused.
    Bad,
    /// Not known, over, withdrawn.
    Quiet,
}

impl Tone {
    /// The class of the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }

    /// The tone of a ledger's state by its place: the first waits, final ones are done, further final ones
    /// withdraw the record.
    pub(crate) fn of_state(ledger: &Ledger, state: &str) -> Self {
        let place = ledger.states.iter().position(|known| known.id == state);
        let ends = |at: usize| ledger.states[..at].iter().any(|earlier| earlier.terminal);
        match place {
            Some(at) if ledger.states[at].terminal && ends(at) => Self::Quiet,
            Some(at) if ledger.states[at].terminal => Self::Good,
            Some(0) => Self::Warn,
            Some(_) => Self::Busy,
            None => Self::Quiet,
        }
    }

    /// The tone of an option among others that rise: the highest is bad, the one below a warning.
    pub(crate) fn of_grade(field: &Field, option: &str) -> Self {
        let place = field.options.iter().rposition(|known| known.id == option);
        match place.map(|place| field.options.len() - place) {
            Some(1) => Self::Bad,
            Some(2) => Self::Warn,
            _ => Self::Plain,
        }
    }
}
