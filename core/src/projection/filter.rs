//! Which rows a list shows and in which order: the filter, and the conditions of SQL that it comes to.

use rusqlite::types::ToSql;

use super::row::RowKind;
use super::search;
use crate::id::{DocumentId, ScopeId, UserId};

/// Which rows to list; `Default` lists the newest of everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// One record only.
    pub document: Option<DocumentId>,
    /// Inspections or entries only.
    pub kind: Option<RowKind>,
    /// Id of a ledger or checklist.
    pub definition: Option<String>,
    /// One scope only.
    pub scope: Option<ScopeId>,
    /// Only these scopes; nothing where it is empty.
    pub scopes: Option<Vec<ScopeId>>,
    /// One project only.
    pub project: Option<String>,
    /// One lifecycle state only.
    pub state: Option<String>,
    /// Only records that are not ended and were due before this time, milliseconds since 1970.
    pub overdue_at_ms: Option<i64>,
    /// Only records that this person may call "mine".
    pub mine: Option<UserId>,
    /// Only records that this person works on.
    pub handler: Option<UserId>,
    /// Only records that this department is in charge of.
    pub owner_dept: Option<String>,
    /// Only records listed at this time or later, milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Only records listed before this time, milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Only records that are not ended.
    pub open_only: bool,
    /// Only records with something to decide: clashes or contested events.
    pub undecided_only: bool,
    /// Only records with this result of a sheet: `pass` or `fail`.
    pub result: Option<String>,
    /// Only records in which every word of this text occurs.
    pub text: Option<String>,
    /// Only records whose field (the first of a pair) holds this value, or whose set holds this element.
    pub fields: Vec<(String, String)>,
    /// In which order.
    pub order: Order,
    /// True for the other end of the order first.
    pub reversed: bool,
    /// Most rows to return; 100 where not set.
    pub limit: Option<u32>,
    /// Rows to pass over first.
    pub offset: u32,
}

/// What rows are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// When they came, newest first.
    #[default]
    Listed,
    /// When they were last written to, newest first.
    Updated,
    /// When they are due, the nearest first, those without a day last.
    Due,
    /// Their number.
    Number,
    /// Their lifecycle state.
    State,
    /// The project that they are about.
    Project,
    /// The score of a sheet, the lowest first.
    Score,
}

impl Order {
    /// Every order with its stable id.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Listed, "listed"),
        (Self::Updated, "updated"),
        (Self::Due, "due"),
        (Self::Number, "number"),
        (Self::State, "state"),
        (Self::Project, "project"),
        (Self::Score, "score"),
    ];

    /// The order of an id.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == id).map(|(order, _)| *order)
    }

    /// Its stable id.
    #[must_use]
    pub fn id(self) -> &'static str {
        Self::ALL.iter().find(|(order, _)| *order == self).map_or("listed", |(_, name)| name)
    }

    /// What follows `ORDER BY`; the document at the end makes the order the same everywhere.
    pub(super) fn sql(self, reversed: bool) -> String {
        let (column, descends, empty_last) = match self {
            Self::Listed => ("p.listed_at_ms", true, false),
            Self::Updated => ("p.updated_at_ms", true, false),
            Self::Due => ("p.due_ms", false, true),
            Self::Number => ("coalesce(p.number, p.temp_number)", false, true),
            Self::State => ("p.state", false, false),
            Self::Project => ("p.project", false, false),
            Self::Score => ("p.score", false, true),
        };
        let direction = if descends == reversed { "" } else { " DESC" };
        let last = if empty_last { format!("{column} IS NULL, ") } else { String::new() };
        format!("{last}{column}{direction}, p.document")
    }
}

impl Filter {
    /// `WHERE ..` over `projected AS p`, and its values; both empty where everything is asked for.
    pub(super) fn conditions(&self) -> (String, Vec<Box<dyn ToSql>>) {
        let mut wanted = Wanted::default();
        if let Some(kind) = self.kind {
            wanted.add("p.kind = ?", kind.code());
        }
        if let Some(document) = self.document {
            wanted.add("p.document = ?", document.0.to_vec());
        }
        let texts = [
            ("p.definition = ?", self.definition.as_deref()),
            ("p.scope = ?", self.scope.as_ref().map(ScopeId::as_str)),
            ("p.project = ?", self.project.as_deref()),
            ("p.state = ?", self.state.as_deref()),
            (
                "p.document IN (SELECT document FROM projected_person WHERE user = ?)",
                self.mine.as_ref().map(UserId::as_str),
            ),
            ("p.handler = ?", self.handler.as_ref().map(UserId::as_str)),
            ("p.owner_dept = ?", self.owner_dept.as_deref()),
            ("p.result = ?", self.result.as_deref()),
        ];
        for (condition, text) in texts {
            if let Some(text) = text {
                wanted.add(condition, text.to_owned());
            }
        }
        if let Some(scopes) = &self.scopes {
            wanted.among("p.scope", scopes.iter().map(ScopeId::as_str));
        }
        let times = [
            ("p.due_ms IS NOT NULL AND p.terminal = 0 AND p.due_ms < ?", self.overdue_at_ms),
            ("p.listed_at_ms >= ?", self.since_ms),
            ("p.listed_at_ms < ?", self.until_ms),
        ];
        for (condition, at_ms) in times {
            if let Some(at_ms) = at_ms {
                wanted.add(condition, at_ms);
            }
        }
        if self.open_only {
            wanted.parts.push("p.terminal = 0".to_owned());
        }
        if self.undecided_only {
            wanted.parts.push("(p.clashes > 0 OR p.contested > 0)".to_owned());
        }
        for (field, value) in &self.fields {
            wanted.holds(field, value);
        }
        if let Some(text) = &self.text {
            let (part, values) = search::mentions(text);
            wanted.parts.push(part);
            wanted.values.extend(values);
        }
        if wanted.parts.is_empty() {
            return (String::new(), wanted.values);
        }
        (format!("WHERE {}", wanted.parts.join(" AND ")), wanted.values)
    }
}

/// Conditions with the values that they name by `?`, in order.
#[derive(Default)]
struct Wanted {
    parts: Vec<String>,
    values: Vec<Box<dyn ToSql>>,
}

impl Wanted {
    fn add(&mut self, condition: &str, value: impl ToSql + 'static) {
        self.parts.push(condition.to_owned());
        self.values.push(Box::new(value));
    }

    fn among<'t>(&mut self, column: &str, texts: impl Iterator<Item = &'t str>) {
        let before = self.values.len();
        self.values.extend(texts.map(|text| Box::new(text.to_owned()) as Box<dyn ToSql>));
        let places = vec!["?"; self.values.len() - before].join(", ");
        self.parts.push(format!("{column} IN ({places})"));
    }

    /// The facts of the record have the value in the field, or the element in the set of that name.
    fn holds(&mut self, field: &str, value: &str) {
        // A path of JSON in quotes; what could leave the quotes is no field's name.
        let name: String = field.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
        self.parts.push(
            "EXISTS (SELECT 1 FROM projected_facts AS f WHERE f.id = p.id AND (f.facts ->> ? = ? OR EXISTS \
             (SELECT 1 FROM json_each(f.facts, ?) AS e WHERE e.value = ?)))"
                .to_owned(),
        );
        let values =
            [format!("$.f.\"{name}\""), value.to_owned(), format!("$.s.\"{name}\""), value.to_owned()];
        self.values.extend(values.map(|text| Box::new(text) as Box<dyn ToSql>));
    }
}
