//! Names for ids: people, projects, dwellings, categories, options, items.

use serde_json::Value as Json;
use std::collections::BTreeMap;

use super::datum::Datum;
use super::period::{Zone, day_of};
use crate::definition::{Catalog, Element, Field, FieldType, Target};
use crate::id::UserId;

/// Names by id in one language, looked up once for the long lists.
#[derive(Debug)]
pub struct Names<'c> {
    catalog: &'c Catalog,
    english: bool,
    users: BTreeMap<&'c str, &'c str>,
    units: BTreeMap<&'c str, &'c str>,
}

impl<'c> Names<'c> {
    /// Names in English, or else in Chinese.
    #[must_use]
    pub fn new(catalog: &'c Catalog, english: bool) -> Self {
        let organisation = catalog.organisation();
        let users = organisation.map_or(&[][..], |org| &org.users);
        let units = organisation.map_or(&[][..], |org| &org.units);
        Self {
            catalog,
            english,
            users: users.iter().map(|user| (user.id.as_str(), user.name.as_str())).collect(),
            units: units.iter().map(|unit| (unit.id.as_str(), unit.label.as_str())).collect(),
        }
    }

    /// A person's name.
    #[must_use]
    pub fn user(&self, id: &str) -> String {
        self.users.get(id).map_or(id, |name| name).to_owned()
    }

    /// The title of a person's main role.
    pub(super) fn role_of(&self, user: &str) -> Option<String> {
        let user = self.catalog.user(&UserId::new(user))?;
        Some(self.catalog.role(&user.role)?.title.text(self.english).to_owned())
    }

    /// The name of a project, or of the branch.
    #[must_use]
    pub fn project(&self, id: &str) -> String {
        let organisation = self.catalog.organisation();
        if let Some(branch) = organisation.map(|org| &org.branch).filter(|branch| branch.id == id) {
            return branch.title.text(self.english).to_owned();
        }
        self.catalog.project(id).map_or(id, |project| project.title.text(self.english)).to_owned()
    }

    pub(super) fn category(&self, id: &str) -> String {
        self.catalog.category(id).map_or(id, |category| category.title.text(self.english)).to_owned()
    }

    /// The highest category above one.
    pub(super) fn top_category(&self, id: &str) -> Option<String> {
        let mut category = self.catalog.category(id)?;
        while let Some(above) = category.parent.as_deref().and_then(|id| self.catalog.category(id)) {
            category = above;
        }
        Some(category.id.clone())
    }

    /// A checkpoint's name.
    #[must_use]
    pub fn checkpoint(&self, id: &str) -> String {
        self.catalog.checkpoint(id).map_or(id, |point| point.title.text(self.english)).to_owned()
    }

    pub(super) fn option(&self, set: &str, id: &str) -> Option<String> {
        let option = self.catalog.response_set(set)?.option(id)?;
        Some(option.title.text(self.english).to_owned())
    }

    /// What a field holds, in the words that people read.
    #[must_use]
    pub fn said(&self, zone: &Zone, field: &Field, value: &Json) -> String {
        self.value(field, value, true).words(zone, self.english)
    }

    /// An element of a set, in the words that people read.
    #[must_use]
    pub fn element_said(&self, zone: &Zone, field: &Field, element: &str) -> String {
        self.element(field, element, true).words(zone, self.english)
    }

    /// What a field holds: ids as they are, or with `shown` the names that people read.
    pub(super) fn value(&self, field: &Field, value: &Json, shown: bool) -> Datum {
        match value {
            Json::Null | Json::Object(_) => Datum::None,
            Json::Bool(flag) => Datum::Flag(*flag),
            Json::Number(number) => match (number.as_i64(), &field.kind) {
                (Some(at_ms), FieldType::DeviceTime) => Datum::Time(at_ms),
                (Some(whole), _) => Datum::Int(whole),
                (None, _) => number.as_f64().map_or(Datum::None, Datum::Number),
            },
            Json::Array(elements) => {
                Datum::Many(elements.iter().map(|one| self.value(field, one, shown)).collect())
            }
            Json::String(text) if shown => self.shown(&field.kind, field, text),
            Json::String(text) if field.kind == FieldType::Date => {
                day_of(text).map_or_else(|| Datum::text(text), Datum::Day)
            }
            Json::String(text) => Datum::text(text),
        }
    }

    /// The name of one element of a set.
    pub(super) fn element(&self, field: &Field, id: &str, shown: bool) -> Datum {
        if let FieldType::Set(Element::Ref(target)) = &field.kind
            && shown
        {
            return Datum::text(self.target(target, id));
        }
        Datum::text(id)
    }

    fn shown(&self, kind: &FieldType, field: &Field, text: &str) -> Datum {
        match kind {
            FieldType::Date => day_of(text).map_or_else(|| Datum::text(text), Datum::Day),
            FieldType::Choice(set) => {
                let own = field.option(text).and_then(|option| option.title.as_ref());
                let own = own.map(|title| title.text(self.english).to_owned());
                let name = own.or_else(|| self.option(set.as_deref()?, text));
                Datum::text(name.unwrap_or_else(|| text.to_owned()))
            }
            FieldType::Ref(target) => Datum::text(self.target(target, text)),
            FieldType::Signature => Datum::text(if self.english { "signed" } else { "已签" }),
            FieldType::HumanNo(_)
            | FieldType::Text
            | FieldType::Phone
            | FieldType::Bool
            | FieldType::Int
            | FieldType::Number
            | FieldType::Month
            | FieldType::Time
            | FieldType::DeviceTime
            | FieldType::Set(_)
            | FieldType::Photos
            | FieldType::Entries
            | FieldType::Events => Datum::text(text),
        }
    }

    fn target(&self, target: &Target, id: &str) -> String {
        let catalog = self.catalog;
        let named = match target {
            Target::Project => return self.project(id),
            Target::User => return self.user(id),
            Target::Unit => self.units.get(id).map(|label| (*label).to_owned()),
            Target::Department => catalog.department(id).map(|dept| dept.title.text(self.english).to_owned()),
            Target::Clause => catalog.clause(id).map(|clause| {
                let standard = id.split_once('.').and_then(|(standard, _)| catalog.standard(standard));
                format!("{} {}", standard.map_or("", |standard| &standard.name), clause.clause)
            }),
            Target::Standard => catalog.standard(id).map(|standard| standard.name.clone()),
            Target::Category(_) => return self.category(id),
            Target::CheckpointOrText => return self.checkpoint(id),
            Target::TrainingTopic => {
                catalog.training_topic(id).map(|topic| topic.title.text(self.english).to_owned())
            }
            Target::Ledger(_) | Target::InspectionItem | Target::Item | Target::Form(_) => None,
        };
        named.unwrap_or_else(|| id.to_owned())
    }
}
