//! What follows from a sheet: findings, entries of lines, newer checklists.

use crate::definition::{Catalog, Definition, embedded, sample_organisation};
use crate::document::model::{Edit, Model, Value};
use crate::id::{DocumentId, UserId};
use crate::rules::finding::{Draft, Writer, new_evidence, of_groups, of_item, of_sheet};
use crate::rules::testing::{NINE, Record, catalog, put, text};
use crate::rules::{Author, check, inspection, keys, upgrade};

fn writer(user: &UserId) -> Writer<'_> {
    Writer { user, at_ms: NINE, utc_offset_min: 480 }
}

fn event_id(document: DocumentId) -> String {
    format!("e{}", &document.to_string().get(..6).unwrap_or_default())
}

fn applied(draft: &Draft) -> Model {
    let mut model = Model::empty(draft.document, draft.definition.clone());
    draft.edits.iter().for_each(|edit| model.apply(edit));
    model
}

fn failing() -> Record {
    let mut sheet = Record::patrol();
    sheet.write("u.pt01", "item/pp.green.02", text("fail")).unwrap();
    sheet.write("u.pt01", "note/pp.green.02", text("南门香樟断枝悬挂")).unwrap();
    sheet.write("u.pt01", &keys::photo("pp.green.02", &"aa".repeat(32)), text("image/jpeg")).unwrap();
    sheet
}

#[test]
fn a_failing_answer_raises_one_finding_whoever_raises_it() {
    let sheet = failing();
    let checklist = catalog().checklist(&sheet.model.definition).unwrap();
    let (one, two) = (UserId::new("u.pt01"), UserId::new("u.pt02"));
    let raise =
        |user| of_item(catalog(), checklist, &sheet.model, "pp.green.02", &writer(user), event_id).unwrap();
    let draft = raise(&one);
    assert_eq!(draft.document, raise(&two).document);
    assert_eq!(draft.scope.as_str(), "pj.lanyuan/finding");
    let finding = applied(&draft);
    assert_eq!(finding.text("field/source"), Some("patrol"));
    assert_eq!(finding.text("field/severity"), Some("major"));
    assert_eq!(finding.text("field/owner_dept"), Some("dept.green"));
    assert_eq!(finding.text("field/due"), Some("2026-11-24"), "24 hours after nine o'clock");
    assert_eq!(finding.texts["statement"], "南门香樟断枝悬挂");
    assert_eq!(finding.elements("set/evidence/").count(), 1);
    let empty = Model::empty(draft.document, draft.definition.clone());
    let author = Author { user: &one, is_server: false };
    check(catalog(), &draft.scope, &author, &empty, &draft.edits).unwrap();
    assert_eq!(of_sheet(catalog(), checklist, &sheet.model, &writer(&one), event_id), vec![draft]);
    let none = of_item(catalog(), checklist, &sheet.model, "pp.green.01", &writer(&one), event_id);
    assert_eq!(none, None);
}

#[test]
fn photos_taken_later_are_brought_to_the_finding() {
    let mut sheet = failing();
    let user = UserId::new("u.pt02");
    let checklist = catalog().checklist(&sheet.model.definition).unwrap();
    let draft = of_item(catalog(), checklist, &sheet.model, "pp.green.02", &writer(&user), event_id).unwrap();
    let finding = applied(&draft);
    assert_eq!(new_evidence(&sheet.model, "pp.green.02", &finding, &writer(&user)), vec![]);
    sheet.write("u.pt02", &keys::photo("pp.green.02", &"bb".repeat(32)), text("image/jpeg")).unwrap();
    let edits = new_evidence(&sheet.model, "pp.green.02", &finding, &writer(&user));
    let key = keys::set("evidence", &"bb".repeat(32));
    assert_eq!(edits, vec![put("u.pt02", &key, text("image/jpeg"))]);
}

#[test]
fn an_audit_finding_takes_severity_and_days_from_the_option() {
    let mut sheet = Record::of("tpl.ims_internal_audit", "pj.xiyuan");
    sheet.open("u.aud01").unwrap();
    sheet.write("u.aud01", "item/ia.lead.01", text("minor")).unwrap();
    let checklist = catalog().checklist(&sheet.model.definition).unwrap();
    let user = UserId::new("u.aud01");
    let draft = of_item(catalog(), checklist, &sheet.model, "ia.lead.01", &writer(&user), event_id).unwrap();
    let finding = applied(&draft);
    assert_eq!(finding.text("field/source"), Some("audit"));
    assert_eq!(finding.text("field/severity"), Some("minor"));
    assert_eq!(finding.text("field/due"), Some("2026-12-08"), "15 days");
    assert_eq!(finding.elements("set/clauses/").next(), Some("e14_2015.5.2"));
    let empty = Model::empty(draft.document, draft.definition.clone());
    let author = Author { user: &user, is_server: false };
    check(catalog(), &draft.scope, &author, &empty, &draft.edits).unwrap();
}

#[test]
fn lines_of_a_visit_become_entries_once_they_are_whole() {
    let mut sheet = Record::of("tpl.branch_visit", "pj.lanyuan");
    sheet.open("u.bcm01").unwrap();
    sheet.write("u.bcm01", &keys::group("bv.issues", "l1", "desc"), text("人手不足")).unwrap();
    let checklist = catalog().checklist(&sheet.model.definition).unwrap();
    let user = UserId::new("u.bcm01");
    let drafts = |sheet: &Record| of_groups(catalog(), checklist, &sheet.model, &writer(&user), event_id);
    assert_eq!(drafts(&sheet), vec![], "the class is missing");
    sheet.write("u.bcm01", &keys::group("bv.issues", "l1", "class"), text("system_level")).unwrap();
    let draft = drafts(&sheet).remove(0);
    assert_eq!(applied(&draft).texts["desc"], "人手不足");
    let empty = Model::empty(draft.document, draft.definition.clone());
    let author = Author { user: &user, is_server: false };
    check(catalog(), &draft.scope, &author, &empty, &draft.edits).unwrap();
}

/// The shipped definitions with a second version of the patrol checklist: one item is gone, one has
/// another response set, one is new.
fn with_newer_patrol() -> Catalog {
    let first = embedded().iter().find(|d| d.reference.id == "tpl.park_patrol").unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&first.json).unwrap();
    json["version"] = 2.into();
    let items = json["sections"][0]["items"].as_array_mut().unwrap();
    let gone = items.remove(0);
    let mut added = gone;
    added["id"] = "pp.green.09".into();
    items.push(added);
    items[0]["response_set"] = "rs.yes_no".into();
    let second = Definition::parse(&serde_json::to_vec(&json).unwrap()).unwrap();
    let mut all = embedded().to_vec();
    all.extend([second, sample_organisation().clone()]);
    Catalog::new(&all).unwrap()
}

#[test]
fn a_sheet_moves_to_a_newer_checklist_and_loses_nothing() {
    let mut sheet = failing();
    sheet.write("u.pt01", "item/pp.green.01", text("pass")).unwrap();
    sheet.write("u.pt01", "item/pp.green.03", text("pass")).unwrap();
    let catalog = with_newer_patrol();
    let pinned = catalog.checklist(&sheet.model.definition).unwrap();
    let plan = upgrade::plan(&catalog, pinned, &sheet.model).unwrap();
    assert_eq!((plan.carried, plan.added), (vec!["pp.green.03".into()], vec!["pp.green.09".to_owned()]));
    let keys_of = |orphans: &[crate::rules::sheet::Orphan]| {
        orphans.iter().map(|orphan| orphan.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys_of(&plan.orphans), ["item/pp.green.01", "item/pp.green.02"]);
    let data: Vec<(&str, Value)> = plan.data.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    let event = sheet.event("u.pt01", keys::UPGRADE, &data);
    let user = UserId::new("u.pt01");
    let author = Author { user: &user, is_server: false };
    let edits: [Edit; 1] = [event];
    check(&catalog, &sheet.scope, &author, &sheet.model, &edits).unwrap();
    sheet.model.apply(&edits[0]);
    let view = inspection::view(&catalog, pinned, &sheet.model);
    assert_eq!((view.checklist.version, keys_of(&view.orphans).len()), (2, 2));
    assert!(upgrade::plan(&catalog, pinned, &sheet.model).is_none());
    let old_item = [put("u.pt01", "item/pp.green.01", text("pass"))];
    assert!(check(&catalog, &sheet.scope, &author, &sheet.model, &old_item).is_err());
    let new_item = [put("u.pt01", "item/pp.green.09", text("pass"))];
    check(&catalog, &sheet.scope, &author, &sheet.model, &new_item).unwrap();
}
