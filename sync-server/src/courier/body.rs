//! What a message says, in the form that its target takes.

use serde_json::{Value, json};
use xunyuan_core::definition::Catalog;
use xunyuan_core::report::Zone;
use xunyuan_core::time::rfc3339;

use crate::hub::{Delivery, HookEvent, HookForm};

/// The body of a message; `url` is where people reach the console.
pub(super) fn of(form: HookForm, url: &str, catalog: &Catalog, delivery: &Delivery) -> String {
    let zone = Zone::of(catalog);
    // What this program wrote itself; where it is damaged the kind and the time are told all the same.
    let mut data: Value = serde_json::from_str(&delivery.data).unwrap_or_else(|_| json!({}));
    data["link"] = json!(link(url, delivery.event, &data));
    let body = match form {
        HookForm::Standard => {
            let at = rfc3339(delivery.at_ms, zone.instant(delivery.at_ms).utc_offset_min);
            json!({ "type": delivery.event.id(), "timestamp": at, "data": data })
        }
        HookForm::Text => {
            json!({ "msgtype": "text", "text": { "content": text(&zone, delivery.event, &data) } })
        }
    };
    body.to_string()
}

/// Where people look at it.
fn link(url: &str, event: HookEvent, data: &Value) -> String {
    match (data["record"]["id"].as_str(), event) {
        (Some(id), _) => format!("{url}/records/{id}"),
        (None, HookEvent::Escalation) => format!("{url}/duties"),
        (None, HookEvent::Refusal) => format!("{url}/refusals"),
        (None, _) => format!("{url}/"),
    }
}

/// A line for people, and where they look at it.
fn text(zone: &Zone, event: HookEvent, data: &Value) -> String {
    let (record, duty, refusal) = (&data["record"], &data["duty"], &data["refusal"]);
    let due = |of: &Value| {
        let due_ms = of["due_ms"].as_i64()?;
        Some(format!("期限 {}", zone.instant(due_ms).civil().strftime("%Y-%m-%d %H:%M")))
    };
    let named = |of: &Value| of["title"]["zh"].as_str().or_else(|| of["id"].as_str()).map(str::to_owned);
    let number = || record["number"].as_str().map(str::to_owned);
    let (what, parts) = match event {
        HookEvent::Test => ("测试", vec![Some("推送目标可用".to_owned())]),
        HookEvent::Escalation => {
            let to: Vec<String> = duty["to"].as_array().into_iter().flatten().filter_map(named).collect();
            let to = (!to.is_empty()).then(|| format!("告知 {}", to.join("、")));
            ("逾期升级", vec![named(duty), number(), named(&duty["unit"]), due(duty), to])
        }
        HookEvent::Finding | HookEvent::Grave => {
            let what = if event == HookEvent::Finding { "新问题" } else { "重大事项" };
            let of = named(&record["definition"]);
            (what, vec![of, number(), named(&record["unit"]), named(&record["grade"]), due(record)])
        }
        HookEvent::Refusal => {
            let why = refusal["zh"].as_str().map(str::to_owned);
            ("内容被拒", vec![why, number(), named(&refusal["unit"])])
        }
    };
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    format!("【巡园】{what}:{}\n{}", parts.join(" · "), data["link"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::DeliveryState;

    fn delivery(event: HookEvent, data: &Value) -> Delivery {
        Delivery {
            id: 1,
            hook: "a".to_owned(),
            message: "msg_a".to_owned(),
            event,
            at_ms: 1_795_395_600_000,
            data: data.to_string(),
            state: DeliveryState::Waiting,
            attempts: 0,
            next_ms: None,
            tried_ms: None,
            outcome: String::new(),
        }
    }

    fn body(form: HookForm, event: HookEvent, data: &Value) -> Value {
        let catalog = Catalog::new(&[]).unwrap();
        serde_json::from_str(&of(form, "https://b.example", &catalog, &delivery(event, data))).unwrap()
    }

    #[test]
    fn a_body_leads_to_the_record() {
        let data = json!({ "record": { "id": "ab", "number": "TS-1", "definition": { "id": "l", "title": { "zh": "投诉", "en": "Complaints" } } } });
        let standard = body(HookForm::Standard, HookEvent::Grave, &data);
        assert_eq!(standard["type"], "record.grave");
        assert_eq!(standard["data"]["link"], "https://b.example/records/ab");
        assert_eq!(standard["data"]["record"]["number"], "TS-1");
        let text = body(HookForm::Text, HookEvent::Grave, &data);
        assert_eq!(text["msgtype"], "text");
        assert_eq!(text["text"]["content"], "【巡园】重大事项:投诉 · TS-1\nhttps://b.example/records/ab");
    }

    #[test]
    fn what_is_about_no_record_leads_to_its_page() {
        let data = json!({ "duty": { "title": { "zh": "月报", "en": "" }, "to": [{ "id": "role.gm", "title": null }] }, "record": null });
        let text = body(HookForm::Text, HookEvent::Escalation, &data);
        assert_eq!(text["text"]["content"], "【巡园】逾期升级:月报 · 告知 role.gm\nhttps://b.example/duties");
        let refusal = body(HookForm::Standard, HookEvent::Refusal, &json!({ "refusal": { "code": "x" } }));
        assert_eq!(refusal["data"]["link"], "https://b.example/refusals");
    }
}
