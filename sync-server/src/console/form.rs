//! Fields as parts of a form: what a person may choose or type, and what came back as a value.

use jiff::civil::DateTime;
use std::collections::BTreeMap;
use xunyuan_core::definition::{CategoryNode, Element, Field, FieldType, Ledger, MergePolicy, Target};
use xunyuan_core::document::model::Value;
use xunyuan_core::error::Sentence;

use super::listing::field_title;
use super::visit::Visit;
use crate::auth::Fields;

/// Prefix of the hidden field that says what a field held when the page was made.
const WAS: &str = "was.";

/// A part of a form.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) kind: InputKind,
    /// What it holds: for several values with blanks between.
    pub(crate) value: String,
    /// What it held when the page was first made.
    pub(crate) was: String,
    pub(crate) required: bool,
}

/// How it is filled in.
#[derive(Clone, Debug)]
pub(crate) enum InputKind {
    /// A line; the type that browsers know, and suggestions.
    Line(&'static str, Vec<(String, String)>),
    /// Several lines.
    Area,
    /// One of several, in groups.
    Select(Vec<Choices>),
    /// Any of several.
    Many(Vec<Choices>),
}

/// Choices under a heading; the first heading is often empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choices {
    pub(crate) heading: String,
    pub(crate) options: Vec<(String, String)>,
}

impl Input {
    /// Its id on the page, told from those of other forms by a prefix.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.name)
    }

    /// True where a choice is taken.
    pub(crate) fn has(&self, option: &str) -> bool {
        match self.kind {
            InputKind::Many(_) => self.value.split_whitespace().any(|one| one == option),
            InputKind::Line(..) | InputKind::Area | InputKind::Select(_) => self.value == option,
        }
    }

    /// The same part holding what a person had typed before.
    pub(crate) fn refilled(mut self, typed: &Fields) -> Self {
        if typed.has(&self.name) || matches!(self.kind, InputKind::Many(_)) {
            self.value = typed.all(&self.name).collect::<Vec<_>>().join(" ");
        }
        if typed.has(&format!("{WAS}{}", self.name)) {
            typed.raw(&format!("{WAS}{}", self.name)).clone_into(&mut self.was);
        }
        self
    }
}

/// What belongs to one record's forms: whose project, and what values mean there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Desk<'v> {
    pub(crate) v: &'v Visit,
    /// The project of the record.
    pub(crate) project: &'v str,
}

impl Desk<'_> {
    /// A field as a part of a form; `None` for what is not filled in by hand here.
    pub(crate) fn input(&self, field: &Field, value: String) -> Option<Input> {
        let kind = self.kind(field)?;
        Some(Input {
            name: field.id.clone(),
            label: field_title(self.v, field).to_owned(),
            kind,
            was: value.clone(),
            value,
            required: false,
        })
    }

    fn kind(&self, field: &Field) -> Option<InputKind> {
        let line = |kind| Some(InputKind::Line(kind, Vec::new()));
        match &field.kind {
            FieldType::Text if field.merge() == MergePolicy::TextCrdt => Some(InputKind::Area),
            FieldType::Text => line("text"),
            FieldType::Phone => line("tel"),
            FieldType::Bool => {
                let yes_no = [("true", self.v.t("是", "yes")), ("false", self.v.t("否", "no"))];
                Some(InputKind::Select(vec![plain(
                    yes_no.map(|(id, text)| (id.to_owned(), text.to_owned())),
                )]))
            }
            FieldType::Int | FieldType::Number => line("number"),
            FieldType::Date => line("date"),
            FieldType::Month => line("month"),
            FieldType::Time => line("time"),
            FieldType::DeviceTime => line("datetime-local"),
            FieldType::Choice(set) => Some(InputKind::Select(vec![self.options(field, set.as_deref())])),
            FieldType::Ref(Target::CheckpointOrText) => {
                let places = self.v.catalog().checkpoints(self.project).filter(|place| !place.retired);
                let places = places.map(|place| (place.id.clone(), self.v.title(&place.title).to_owned()));
                Some(InputKind::Line("text", places.collect()))
            }
            FieldType::Ref(Target::User) if field.own => {
                let own = (self.v.user().to_string(), self.v.own_name());
                Some(InputKind::Select(vec![plain([own])]))
            }
            FieldType::Ref(target) => Some(match self.targets(target) {
                Some(choices) => InputKind::Select(choices),
                None => InputKind::Line("text", Vec::new()),
            }),
            FieldType::Set(Element::Ref(target)) => self.targets(target).map(InputKind::Many),
            FieldType::Set(Element::Text) => line("text"),
            FieldType::HumanNo(_)
            | FieldType::Photos
            | FieldType::Signature
            | FieldType::Entries
            | FieldType::Events => None,
        }
    }

    fn options(&self, field: &Field, set: Option<&str>) -> Choices {
        let own = field.options.iter().filter(|option| !option.retired).map(|option| {
            let title = option.title.as_ref().map_or(option.id.as_str(), |title| self.v.title(title));
            (option.id.clone(), title.to_owned())
        });
        let set = set.and_then(|id| self.v.catalog().response_set(id));
        let named = set.into_iter().flat_map(|set| &set.options).filter(|option| !option.retired);
        let named = named.map(|option| (option.id.clone(), self.v.title(&option.title).to_owned()));
        plain(own.chain(named))
    }

    /// What a reference may point to; `None` where there is no list to choose from.
    fn targets(&self, target: &Target) -> Option<Vec<Choices>> {
        let (catalog, v) = (self.v.catalog(), self.v);
        let organisation = catalog.organisation();
        Some(match target {
            Target::Project => {
                let units = v.sight.units();
                vec![plain(units.into_iter().map(|unit| (unit.to_owned(), v.unit(unit))))]
            }
            Target::User => {
                let users = organisation.into_iter().flat_map(|org| &org.users).filter(|user| !user.retired);
                let (here, elsewhere): (Vec<_>, Vec<_>) =
                    users.partition(|user| user.project.as_deref() == Some(self.project));
                let named = |users: Vec<&xunyuan_core::definition::User>| {
                    users.into_iter().map(|user| (user.id.clone(), user.name.clone())).collect()
                };
                let branch = elsewhere.into_iter().filter(|user| user.project.is_none()).collect();
                vec![
                    Choices { heading: v.unit(self.project), options: named(here) },
                    Choices { heading: v.branch().to_owned(), options: named(branch) },
                ]
            }
            Target::Unit => {
                let units = organisation.into_iter().flat_map(|org| &org.units);
                let here = units.filter(|unit| unit.project == self.project && !unit.retired);
                vec![plain(here.map(|unit| (unit.id.clone(), unit.label.clone())))]
            }
            Target::Department => {
                let depts = catalog.departments().iter();
                vec![plain(depts.map(|dept| (dept.id.clone(), v.title(&dept.title).to_owned())))]
            }
            Target::Category(set) => {
                catalog.category_set(set)?.categories.iter().map(|top| self.branch_of(top)).collect()
            }
            Target::Clause => {
                let standards = catalog.standards();
                standards
                    .map(|standard| Choices {
                        heading: standard.name.clone(),
                        options: standard
                            .clauses
                            .iter()
                            .map(|clause| {
                                (clause.id.clone(), format!("{} {}", clause.clause, clause.title_zh))
                            })
                            .collect(),
                    })
                    .collect()
            }
            Target::Standard => {
                vec![plain(catalog.standards().map(|standard| (standard.id.clone(), standard.name.clone())))]
            }
            Target::CheckpointOrText
            | Target::Ledger(_)
            | Target::InspectionItem
            | Target::Item
            | Target::TrainingTopic
            | Target::Form(_) => return None,
        })
    }

    fn branch_of(&self, top: &CategoryNode) -> Choices {
        let mut options = Vec::new();
        let title = |node: &CategoryNode| (node.id.clone(), self.v.title(&node.title).to_owned());
        if !top.retired && top.children.is_empty() {
            options.push(title(top));
        }
        let mut open: Vec<&CategoryNode> = top.children.iter().rev().collect();
        while let Some(node) = open.pop() {
            if !node.retired {
                options.push(title(node));
            }
            open.extend(node.children.iter().rev());
        }
        Choices { heading: self.v.title(&top.title).to_owned(), options }
    }

    /// A value as a form shows it.
    pub(crate) fn shown(&self, field: &Field, value: &Value) -> String {
        match value {
            Value::Null => String::new(),
            Value::Bool(flag) => flag.to_string(),
            Value::Int(ms) if field.kind == FieldType::DeviceTime => {
                self.v.zone.instant(*ms).civil().strftime("%Y-%m-%dT%H:%M").to_string()
            }
            Value::Int(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        }
    }

    /// What came back of a field as a value; nothing typed withdraws it.
    ///
    /// # Errors
    /// What would be right instead.
    pub(crate) fn value(&self, field: &Field, text: &str) -> Result<Value, Sentence> {
        let text = if field.kind == FieldType::Text { text.trim_end() } else { text.trim() };
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let wrong = |zh: &str, en: &str| {
            let (title_zh, title_en) =
                field.title.as_ref().map_or((field.id.as_str(), field.id.as_str()), |t| (&t.zh, &t.en));
            Sentence::new(format!("“{title_zh}”应为{zh}"), format!("\"{title_en}\" must be {en}"))
        };
        match &field.kind {
            FieldType::Bool => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(wrong("是或否", "yes or no")),
            },
            FieldType::Int => text.parse().map(Value::Int).map_err(|_| wrong("整数", "a whole number")),
            FieldType::Number => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Value::Number(number)),
                Ok(_) | Err(_) => Err(wrong("数值", "a number")),
            },
            FieldType::DeviceTime => text
                .parse::<DateTime>()
                .ok()
                .and_then(|time| self.v.zone.moment(time))
                .map(Value::Int)
                .ok_or_else(|| wrong("日期和时间", "a day and a time")),
            FieldType::HumanNo(_)
            | FieldType::Text
            | FieldType::Phone
            | FieldType::Date
            | FieldType::Month
            | FieldType::Time
            | FieldType::Choice(_)
            | FieldType::Ref(_)
            | FieldType::Set(_)
            | FieldType::Photos
            | FieldType::Signature
            | FieldType::Entries
            | FieldType::Events => Ok(Value::Text(text.to_owned())),
        }
    }

    /// The fields of a form that were changed, as values.
    ///
    /// # Errors
    /// What is wrong with the first that is.
    pub(crate) fn changed<'f>(
        &self,
        fields: impl Iterator<Item = &'f Field>,
        typed: &Fields,
    ) -> Result<BTreeMap<String, Value>, Sentence> {
        let mut values = BTreeMap::new();
        for field in fields {
            let was_name = format!("{WAS}{}", field.id);
            if !typed.has(&field.id) || same(typed.raw(&field.id), typed.raw(&was_name)) {
                continue;
            }
            values.insert(field.id.clone(), self.value(field, typed.raw(&field.id))?);
        }
        Ok(values)
    }
}

/// Texts that a browser may have sent with other line ends are the same.
fn same(one: &str, other: &str) -> bool {
    one.replace("\r\n", "\n").trim_end() == other.replace("\r\n", "\n").trim_end()
}

fn plain(options: impl IntoIterator<Item = (String, String)>) -> Choices {
    Choices { heading: String::new(), options: options.into_iter().collect() }
}

/// What an event may carry under a name: a field of the ledger, or a part of one that holds lines.
pub(crate) fn carried<'l>(ledger: &'l Ledger, name: &str) -> Option<&'l Field> {
    let in_lines = || {
        ledger.fields.iter().find_map(|field| {
            field.entry_field(name).filter(|sub| sub.title.is_some() || sub.kind != FieldType::Text)
        })
    };
    ledger.field(name).or_else(in_lines)
}

/// The name of something that only events carry.
pub(crate) fn carried_title<'n>(visit: &Visit, name: &'n str) -> &'n str {
    match name {
        "note" => visit.t("说明", "Note"),
        "reason" => visit.t("原因", "Reason"),
        "satisfaction" => visit.t("满意度", "Satisfaction"),
        "channel" => visit.t("方式", "By which way"),
        "new_due" => visit.t("新期限", "New due day"),
        "verification" => visit.t("验证说明", "Verification"),
        other => other,
    }
}
