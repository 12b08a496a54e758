//! The inspection record of the benchmark: 12 header fields, 30 answers, one change per answer.
//!
//! Notes of about 20 Chinese characters on one answer in five, photo references on one in ten; texts,
//! ids and times vary.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Value as Json, json};
use xunyuan_core::definition::{Definition, sample_organisation};
use xunyuan_core::document::model::{Edit, Event, Stamped, Value};
use xunyuan_core::document::{Document, RawChange, line_id};
use xunyuan_core::id::{ActorId, DefinitionRef, DocumentId, FileHash, UserId};
use xunyuan_core::replica::Answer;
use xunyuan_core::rules::file::FileRef;
use xunyuan_core::rules::keys;

/// Id of the checklist.
pub(super) const CHECKLIST: &str = "tpl.bench";
/// Answers of a record.
pub(super) const ANSWERS: usize = 30;
/// Changes of a record: the start with the whole header, then each answer.
pub(super) const CHANGES: usize = 1 + ANSWERS;
/// Characters that texts are made of.
const CHARACTERS: &str = "园区巡查消防通道畅通设施完好水景清洁门岗登记规范电梯运行正常照明损坏已报修绿化修剪及时\
    垃圾清运车辆停放有序监控画面清晰住户反映噪音外墙渗漏地面湿滑护栏松动井盖缺失标识脱落灭火器压力不足\
    现场整改通知责任部门复查合格单元楼道杂物堆放充电桩故障配电房温度水泵房积水屋面排水沟堵塞儿童游乐";

/// The checklist as JSON.
pub(super) fn checklist() -> Definition {
    let title = |zh: &str| json!({"zh-CN": zh, "en": zh});
    let field = |id: &str, kind: &str| json!({"id": id, "title": title(id), "type": kind, "required": false});
    let mut header = vec![field("project_id", "ref:project"), field("supervisor", "ref:user")];
    for id in ["started_at", "planned_at"] {
        header.push(field(id, "device_time"));
    }
    for id in TEXTS {
        header.push(field(id, "text"));
    }
    let items: Vec<Json> = (0..ANSWERS)
        .map(|number| {
            json!({"id": item(number), "title": title(&format!("检查项目{number}")), "type": "choice",
                "response_set": "rs.pass_fail_na", "required": true, "weight": 1, "critical": false})
        })
        .collect();
    let text = json!({
        "schema": "xy/template@1", "id": CHECKLIST, "version": 1, "kind": "inspection", "stream": "patrol",
        "title": title("测速检查表"), "who": ["role.patrol", "role.cs_lead"],
        "scoring": {"method": "weighted_percent", "na_excluded": true, "pass_threshold_percent": 90},
        "header_fields": header,
        "sections": [{"id": "bench.all", "title": title("全部"), "items": items}],
    });
    Definition::parse(text.to_string().as_bytes()).expect("the checklist of the benchmark is well formed")
}

/// Header fields with text.
const TEXTS: [&str; 8] =
    ["place", "area", "team", "contractor", "order_no", "device_no", "weather_note", "purpose"];

/// The sample organisation with as many further projects, each with `people` users `u.<project>.<n>`.
pub(super) fn organisation(projects: usize, people: usize, role: &str) -> Definition {
    let mut text: Json =
        serde_json::from_slice(&sample_organisation().json).expect("the sample organisation is JSON");
    let model = text["projects"][0].clone();
    for number in 0..projects {
        let mut project = model.clone();
        project["id"] = json!(self::project(number));
        project["code"] = json!(format!("B{number:03}"));
        text["projects"].as_array_mut().expect("projects are a list").push(project);
        for person in 0..people {
            let id = user(number, person);
            let user = json!({"id": id, "name": "测试员", "role": role, "project": self::project(number),
                "dept": "dept.cs"});
            text["users"].as_array_mut().expect("users are a list").push(user);
        }
    }
    Definition::parse(text.to_string().as_bytes()).expect("the organisation of the benchmark is well formed")
}

/// Id of a project of [`organisation`].
pub(super) fn project(number: usize) -> String {
    format!("pj.b{number}")
}

/// Id of a person of [`organisation`].
pub(super) fn user(project: usize, person: usize) -> String {
    format!("u.b{project}n{person}")
}

/// Id of an item.
pub(super) fn item(number: usize) -> String {
    format!("bench.{number:02}")
}

/// Where the varying content comes from.
#[derive(Debug)]
pub(super) struct Content {
    rng: Rng,
    characters: Vec<char>,
}

impl Content {
    /// Content of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let characters = CHARACTERS.chars().filter(|one| !one.is_whitespace()).collect();
        Self { rng: Rng::with_seed(seed), characters }
    }

    /// Random bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill(&mut bytes);
        bytes
    }

    /// About so many Chinese characters.
    pub(super) fn text(&mut self, about: usize) -> String {
        let length = self.rng.usize(about - 2..=about + 2);
        (0..length).map(|_| self.characters[self.rng.usize(..self.characters.len())]).collect()
    }

    /// The header without the project.
    pub(super) fn header(&mut self, user: &str, at_ms: i64) -> BTreeMap<String, Value> {
        let mut header = BTreeMap::from([
            ("supervisor".to_owned(), Value::Text(user.to_owned())),
            ("started_at".to_owned(), Value::Int(at_ms - self.rng.i64(0..3_600_000))),
            ("planned_at".to_owned(), Value::Int(at_ms - self.rng.i64(0..86_400_000))),
        ]);
        for id in TEXTS {
            let value = if id.ends_with("_no") {
                data_encoding::HEXLOWER.encode(&self.bytes::<8>())
            } else {
                self.text(10)
            };
            header.insert(id.to_owned(), Value::Text(value));
        }
        header
    }

    /// One answer.
    pub(super) fn answer(&mut self) -> Answer {
        let option = ["pass", "pass", "pass", "pass", "pass", "pass", "fail", "na"][self.rng.usize(..8)];
        let note = (self.rng.usize(..5) == 0).then(|| self.text(20));
        let photos = if self.rng.usize(..10) == 0 {
            vec![FileRef {
                hash: FileHash(self.bytes()),
                bytes: self.rng.u64(80_000..900_000),
                media_type: "image/jpeg".to_owned(),
                taken_at_ms: None,
            }]
        } else {
            Vec::new()
        };
        Answer { value: Some(Value::Text(option.to_owned())), note, photos }
    }
}

/// A record as it is written without a replica: what fills a branch before something is measured.
#[derive(Clone)]
pub(super) struct Written {
    /// The document with its changes.
    pub(super) document: Document,
    /// Its author id.
    pub(super) actor: ActorId,
    /// The changes so far.
    pub(super) changes: Vec<RawChange>,
}

/// Writes one whole record.
pub(super) fn write(
    content: &mut Content,
    definition: &DefinitionRef,
    project: &str,
    by: &UserId,
    at_ms: i64,
) -> Written {
    let document = Document::new(DocumentId(content.bytes()), definition, &[]);
    let actor = ActorId(content.bytes());
    let mut written = Written { document, actor, changes: Vec::with_capacity(CHANGES) };
    let put = |key: String, value: Value| put(key, value, by, at_ms);
    let mut edits = vec![put(keys::header(keys::PROJECT), Value::Text(project.to_owned()))];
    edits.extend(
        content.header(by.as_str(), at_ms).into_iter().map(|(id, value)| put(keys::header(&id), value)),
    );
    edits.push(Edit::Event(Event {
        id: line_id(actor, 1, 0),
        kind: keys::CREATE.to_owned(),
        by: by.clone(),
        at_ms,
        from: String::new(),
        after: Vec::new(),
        data: BTreeMap::new(),
    }));
    written.edit(&edits);
    for number in 0..ANSWERS {
        written.answer(content, number, by, at_ms + 20_000 * i64::try_from(number).unwrap_or(0));
    }
    written
}

impl Written {
    /// Answers one item.
    pub(super) fn answer(&mut self, content: &mut Content, number: usize, by: &UserId, at_ms: i64) {
        let at_ms = at_ms + content.rng.i64(0..15_000);
        let Answer { value, note, photos } = content.answer();
        let id = item(number);
        let mut edits: Vec<Edit> =
            value.into_iter().map(|value| put(keys::item(&id), value, by, at_ms)).collect();
        edits.extend(note.map(|note| put(keys::note(&id), Value::Text(note), by, at_ms)));
        edits.extend(
            photos
                .iter()
                .map(|photo| put(keys::photo(&id, &photo.hash.to_string()), photo.element(), by, at_ms)),
        );
        self.edit(&edits);
    }

    fn edit(&mut self, edits: &[Edit]) {
        self.changes.push(self.document.edit(self.actor, edits).expect("the document takes the edits"));
    }
}

fn put(key: String, value: Value, by: &UserId, at_ms: i64) -> Edit {
    Edit::Put { key, stamped: Stamped { value, by: by.clone(), at_ms } }
}
