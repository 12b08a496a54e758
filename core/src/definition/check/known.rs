//! What the whole set defines: the other end of every reference.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::body::Body;
use super::super::catalogues::ResponseSet;
use super::super::checklist::Checklist;
use super::super::ledger::Ledger;
use super::super::organisation::{Organisation, RoleScope};
use super::super::papers::{Form, is_within};
use super::faults::{Faults, Noun};

/// Ids by what they name, over all versions of the set; of checklists and ledgers the newest version.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) files: BTreeSet<String>,
    pub(crate) checklists: BTreeMap<String, Arc<Checklist>>,
    pub(crate) ledgers: BTreeMap<String, Arc<Ledger>>,
    pub(crate) response_sets: BTreeMap<String, ResponseSet>,
    pub(crate) category_sets: BTreeSet<String>,
    pub(crate) categories: BTreeSet<String>,
    pub(crate) standards: BTreeSet<String>,
    pub(crate) clauses: BTreeSet<String>,
    pub(crate) roles: BTreeMap<String, RoleScope>,
    pub(crate) streams: BTreeSet<String>,
    pub(crate) departments: BTreeSet<String>,
    pub(crate) rules: BTreeSet<String>,
    pub(crate) reports: BTreeSet<String>,
    pub(crate) forms: BTreeMap<String, Arc<Form>>,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) severities: BTreeSet<String>,
    pub(crate) finding_ledger: Option<String>,
    pub(crate) organisation: Option<Arc<Organisation>>,
}

pub(crate) const ROLE: Noun = Noun("角色", "role");
pub(crate) const DEPARTMENT: Noun = Noun("部门", "department");
pub(crate) const LEDGER: Noun = Noun("台账", "ledger");
pub(crate) const CHECKLIST: Noun = Noun("检查表", "checklist");
pub(crate) const RULE: Noun = Noun("规则", "rule");
pub(crate) const SEVERITY: Noun = Noun("严重程度", "severity");
pub(crate) const FIELD: Noun = Noun("字段", "field");
pub(crate) const STATE: Noun = Noun("状态", "state");

impl Known {
    pub(crate) fn add(&mut self, body: &Body) {
        match body {
            Body::Checklist(checklist) => {
                let held =
                    self.checklists.entry(checklist.id.clone()).or_insert_with(|| Arc::clone(checklist));
                if held.version <= checklist.version {
                    *held = Arc::clone(checklist);
                }
            }
            Body::Ledger(ledger) => {
                let held = self.ledgers.entry(ledger.id.clone()).or_insert_with(|| Arc::clone(ledger));
                if held.version <= ledger.version {
                    *held = Arc::clone(ledger);
                }
            }
            Body::Rules(book) => self.rules.extend(book.rules.iter().map(|rule| rule.id.clone())),
            Body::ResponseSets(sets) => {
                self.response_sets.extend(sets.sets.iter().map(|set| (set.id.clone(), set.clone())));
            }
            Body::Categories(set) => {
                self.category_sets.insert(set.id.clone());
                self.categories.extend(set.flatten().into_iter().map(|category| category.id));
            }
            Body::Clauses(book) => {
                self.standards.extend(book.standards.iter().map(|standard| standard.id.clone()));
                let clauses = book.standards.iter().flat_map(|standard| &standard.clauses);
                self.clauses.extend(clauses.map(|clause| clause.id.clone()));
            }
            Body::Roles(book) => {
                self.roles.extend(book.roles.iter().map(|role| (role.id.clone(), role.scope)));
                self.streams.extend(book.roles.iter().flat_map(|role| role.streams.iter().cloned()));
                self.departments.extend(book.departments.iter().map(|department| department.id.clone()));
            }
            Body::Reports(book) => self.reports.extend(book.reports.iter().map(|report| report.id.clone())),
            Body::Nonconformity(model) => {
                self.severities.extend(model.severities.iter().map(|severity| severity.id.clone()));
                self.finding_ledger = Some(model.ledger.clone());
            }
            Body::Training(plan) => self.topics.extend(plan.topics.iter().map(|topic| topic.id.clone())),
            Body::Form(form) => {
                self.forms.insert(form.id.clone(), Arc::clone(form));
            }
            Body::Organisation(organisation) => self.organisation = Some(Arc::clone(organisation)),
            Body::Holidays(_) | Body::Staffing(_) | Body::Tiles(_) | Body::Later => {}
        }
    }

    /// True where something that a training topic may name is this, or lies below it.
    pub(crate) fn is_weak_point(&self, id: &str) -> bool {
        let items = self.checklists.values().flat_map(|checklist| checklist.items()).map(|item| &item.id);
        let mut all = self.categories.iter().chain(&self.clauses).chain(items);
        all.any(|one| is_within(one, id))
    }

    pub(crate) fn role(&self, faults: &mut Faults, pointer: impl Into<String>, id: &str) {
        Self::among(faults, pointer, ROLE, id, self.roles.keys());
    }

    pub(crate) fn roles(&self, faults: &mut Faults, pointer: &str, ids: &[String]) {
        for (at, id) in ids.iter().enumerate() {
            self.role(faults, format!("{pointer}/{at}"), id);
        }
    }

    pub(crate) fn department(&self, faults: &mut Faults, pointer: impl Into<String>, id: &str) {
        Self::among(faults, pointer, DEPARTMENT, id, &self.departments);
    }

    pub(crate) fn ledger(&self, faults: &mut Faults, pointer: impl Into<String>, id: &str) {
        Self::among(faults, pointer, LEDGER, id, self.ledgers.keys());
    }

    pub(crate) fn checklist(&self, faults: &mut Faults, pointer: impl Into<String>, id: &str) {
        Self::among(faults, pointer, CHECKLIST, id, self.checklists.keys());
    }

    pub(crate) fn rule(&self, faults: &mut Faults, pointer: impl Into<String>, id: &str) {
        Self::among(faults, pointer, RULE, id, &self.rules);
    }

    pub(crate) fn severity(&self, faults: &mut Faults, pointer: impl Into<String>, id: &str) {
        Self::among(faults, pointer, SEVERITY, id, &self.severities);
    }

    pub(crate) fn stream(&self, faults: &mut Faults, pointer: impl Into<String>, id: &str) {
        Self::among(faults, pointer, Noun("数据流", "stream of any role"), id, &self.streams);
    }

    /// Projects, and other parts of an organisation, are checked only where one is in the set.
    pub(crate) fn project(&self, faults: &mut Faults, pointer: impl Into<String>, id: &str) {
        if let Some(organisation) = &self.organisation {
            let projects = organisation.projects.iter().map(|project| &project.id);
            Self::among(faults, pointer, Noun("项目", "project"), id, projects);
        }
    }

    pub(crate) fn schedule(&self, faults: &mut Faults, pointer: impl Into<String>, id: &str) {
        if let Some(organisation) = &self.organisation {
            let schedules = organisation.schedules.iter().map(|schedule| &schedule.id);
            Self::among(faults, pointer, Noun("排程", "schedule"), id, schedules);
        }
    }

    pub(crate) fn project_param(&self, faults: &mut Faults, pointer: impl Into<String>, name: &str) {
        if let Some(organisation) = &self.organisation {
            let params = organisation.projects.iter().flat_map(|project| project.params.keys());
            Self::among(faults, pointer, Noun("项目参数", "project parameter"), name, params);
        }
    }

    pub(crate) fn project_attr(&self, faults: &mut Faults, pointer: impl Into<String>, name: &str) {
        if let Some(organisation) = &self.organisation {
            let attrs = organisation.projects.iter().flat_map(|project| project.attrs.keys());
            Self::among(faults, pointer, Noun("项目属性", "project attribute"), name, attrs);
        }
    }

    pub(crate) fn among<'k>(
        faults: &mut Faults,
        pointer: impl Into<String>,
        noun: Noun,
        id: &str,
        ids: impl IntoIterator<Item = &'k String>,
    ) {
        faults.refers(pointer, noun, id, ids.into_iter().map(String::as_str));
    }
}
