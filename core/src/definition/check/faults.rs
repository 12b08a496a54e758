//! The list of what is wrong with one definition, and the tests that every kind of definition shares.

use std::collections::BTreeSet;

use super::super::body::Misplaced;
use super::super::label::Fault;

/// Most allowed ids that a problem names; a longer list helps nobody.
const ALLOWED_MAX: usize = 40;

/// Everything wrong with one definition, by JSON pointer.
pub(crate) struct Faults {
    list: Vec<Misplaced>,
    /// Ids of parts that could not be read: a reference to one of these is no second problem.
    forgiven: BTreeSet<String>,
}

/// What a reference is a reference to, in both languages.
#[derive(Clone, Copy)]
pub(crate) struct Noun(pub(crate) &'static str, pub(crate) &'static str);

impl Faults {
    pub(crate) fn new(forgiven: BTreeSet<String>) -> Self {
        Self { list: Vec::new(), forgiven }
    }

    pub(crate) fn into_list(self) -> Vec<Misplaced> {
        self.list
    }

    pub(crate) fn add(&mut self, pointer: impl Into<String>, fault: Fault) {
        self.list.push(Misplaced { pointer: pointer.into(), fault });
    }

    pub(crate) fn say(&mut self, pointer: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) {
        self.add(pointer, Fault::new(zh, en));
    }

    /// `id` must be among `known`.
    pub(crate) fn refers<'k>(
        &mut self,
        pointer: impl Into<String>,
        noun: Noun,
        id: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let known: BTreeSet<&str> = known.into_iter().collect();
        if known.contains(id) || self.forgiven.contains(id) {
            return;
        }
        let Noun(zh, en) = noun;
        let mut allowed: Vec<String> = known.iter().take(ALLOWED_MAX).map(|id| (*id).to_owned()).collect();
        if known.len() > ALLOWED_MAX {
            allowed.push(format!("… {}", known.len()));
        }
        let mut fault = Fault::new(format!("{zh}“{id}”不存在"), format!("there is no {en} \"{id}\""));
        fault.allowed = allowed;
        self.add(pointer, fault);
    }

    /// Ids must not come twice. `pointer` is that of the list, ids are at `<pointer>/<index>/id`.
    pub(crate) fn unique<'i>(&mut self, pointer: &str, ids: impl IntoIterator<Item = &'i str>) {
        let mut seen = BTreeSet::new();
        for (at, id) in ids.into_iter().enumerate() {
            self.once(format!("{pointer}/{at}/id"), id, &mut seen);
        }
    }

    /// `id` must not be in `seen`, and is from now on.
    pub(crate) fn once<'i>(&mut self, pointer: impl Into<String>, id: &'i str, seen: &mut BTreeSet<&'i str>) {
        if !seen.insert(id) {
            self.say(pointer, format!("编号“{id}”重复"), format!("the id \"{id}\" is used twice"));
        }
    }

    /// An id of the whole organisation: dotted, lower case.
    pub(crate) fn dotted_id(&mut self, pointer: impl Into<String>, id: &str) {
        let mut parts = id.split('.');
        let head = parts.next().unwrap_or_default();
        let head_fits = head.starts_with(|c: char| c.is_ascii_lowercase())
            && head.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let mut tail = parts.peekable();
        let tail_fits = tail.peek().is_some()
            && tail.all(|part| {
                !part.is_empty()
                    && part
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
            });
        if !(head_fits && tail_fits) {
            let fault = Fault::new(
                format!("编号“{id}”不合规则"),
                format!("the id \"{id}\" does not fit the pattern"),
            );
            self.add(pointer, fault.allowing([ID_PATTERN]));
        }
    }

    /// An id within its owner: one word, lower case.
    pub(crate) fn plain_id(&mut self, pointer: impl Into<String>, id: &str) {
        let fits = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !fits {
            let fault = Fault::new(
                format!("编号“{id}”不合规则"),
                format!("the id \"{id}\" does not fit the pattern"),
            );
            self.add(pointer, fault.allowing(["^[a-z][a-z0-9_]*$"]));
        }
    }

    /// The lower limit must not be above the upper one.
    pub(crate) fn ordered(&mut self, pointer: &str, min: Option<f64>, max: Option<f64>) {
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            self.say(format!("{pointer}/min"), "下限大于上限", "the lower limit is above the upper limit");
        }
    }

    /// A number must not be negative.
    pub(crate) fn not_negative(&mut self, pointer: impl Into<String>, number: Option<f64>) {
        if number.is_some_and(|number| number < 0.0) {
            self.say(pointer, "不能为负数", "must not be negative");
        }
    }

    /// A local time of day, `HH:MM`.
    pub(crate) fn time_of_day(&mut self, pointer: impl Into<String>, text: &str) {
        let fits = text.split_once(':').is_some_and(|(hour, minute)| {
            let number = |part: &str| (part.len() == 2).then(|| part.parse::<u8>().ok()).flatten();
            number(hour).is_some_and(|hour| hour < 24) && number(minute).is_some_and(|minute| minute < 60)
        });
        if !fits {
            let fault = Fault::new(format!("“{text}”不是时刻"), format!("\"{text}\" is not a time of day"));
            self.add(pointer, fault.allowing(["HH:MM"]));
        }
    }

    /// A calendar day, `YYYY-MM-DD`.
    pub(crate) fn day(&mut self, pointer: impl Into<String>, text: &str) {
        if text.len() != 10 || text.parse::<jiff::civil::Date>().is_err() {
            let fault = Fault::new(format!("“{text}”不是日期"), format!("\"{text}\" is not a day"));
            self.add(pointer, fault.allowing(["YYYY-MM-DD"]));
        }
    }
}

/// The pattern of ids, as the manifest writes it.
pub(crate) const ID_PATTERN: &str = "^[a-z][a-z0-9]*(\\.[a-z0-9_\\-]+)+$";
