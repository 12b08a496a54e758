//! `config`: the settings that hold, as a TOML file that would set them again.

use serde_json::{Map, json};
use xunyuan_core::error::Error;

use super::Context;
use super::output::Report;
use crate::config::{Origin, VARIABLES};

/// Every setting with its value, its variable and where the value came from.
pub(super) fn show(context: &Context) -> Result<Report, Error> {
    let mut settings = Map::new();
    let mut lines = Vec::new();
    let mut area = "";
    let listing = context.effective.listing()?;
    for (key, value, origin) in &listing {
        let variable = VARIABLES.iter().find(|(_, named)| named == key).map_or("", |(name, _)| *name);
        let plain = value.trim_matches('"');
        settings.insert(key.clone(), json!({"value": plain, "from": origin, "variable": variable}));
        let (of, name) = key.split_once('.').unwrap_or(("", key));
        if of != area {
            if !area.is_empty() {
                lines.push(String::new());
            }
            lines.push(format!("[{of}]"));
            area = of;
        }
        let from = match origin {
            Origin::Default => context.lang.pick("默认", "default"),
            Origin::File => context.lang.pick("文件", "file"),
            Origin::Environment => context.lang.pick("环境变量", "environment"),
            Origin::Flag => context.lang.pick("参数", "flag"),
        };
        lines.push(format!("{:<38} # {from}, {variable}", format!("{name} = {value}")));
    }
    let file = context.effective.file.as_ref().map(|path| path.display().to_string());
    Ok(Report::done(json!({"file": file, "settings": settings}), lines.join("\n")))
}
