//! Which of the two languages the person reads: by `--lang`, else by the locale, else Chinese.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use xunyuan_ffi::words::Lang;

/// Reads `--lang`.
pub(crate) fn parser() -> impl TypedValueParser<Value = Lang> {
    let values = [PossibleValue::new("zh").aliases(["zh-cn", "zh-CN", "zh_CN"]), PossibleValue::new("en")];
    PossibleValuesParser::new(values).try_map(|text| parse(&text).ok_or("zh, en"))
}

/// The language of this run: `--lang` wherever it stands in `args`, else the locale.
///
/// Read before clap parses, because help and usage errors are already in this language.
pub(crate) fn of_run(args: &[String], variable: impl Fn(&str) -> Option<String>) -> Lang {
    of_args(args).unwrap_or_else(|| of_locale(variable))
}

fn parse(text: &str) -> Option<Lang> {
    match text.to_ascii_lowercase().as_str() {
        "zh" | "zh-cn" | "zh_cn" => Some(Lang::Zh),
        "en" => Some(Lang::En),
        _ => None,
    }
}

fn of_args(args: &[String]) -> Option<Lang> {
    let mut rest = args.iter().skip(1).take_while(|arg| *arg != "--");
    while let Some(arg) = rest.next() {
        let given = match arg.strip_prefix("--lang") {
            Some("") => rest.next().map(String::as_str),
            Some(tail) => tail.strip_prefix('='),
            None => continue,
        };
        return parse(given?);
    }
    None
}

/// POSIX order: `LC_ALL`, `LC_MESSAGES`, `LANG`. The neutral locales `C` and `POSIX` say nothing
/// about the reader, so they keep the default.
fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Lang {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(variable)
        .find(|value| !value.is_empty())
        .unwrap_or_default();
    let language = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
    match language {
        "" | "C" | "POSIX" | "zh" => Lang::Zh,
        _ => Lang::En,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str], variables: &[(&str, &str)]) -> Lang {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        of_run(&args, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|&(_, value)| value.to_owned())
        })
    }

    #[test]
    fn chinese_is_the_default() {
        assert_eq!(run(&["xunyuan"], &[]), Lang::Zh);
        assert_eq!(run(&["xunyuan"], &[("LANG", "C.UTF-8")]), Lang::Zh);
    }

    #[test]
    fn the_locale_is_read_in_posix_order() {
        let variables = [("LANG", "zh_CN.UTF-8"), ("LC_MESSAGES", "en_GB.UTF-8"), ("LC_ALL", "")];
        assert_eq!(run(&["xunyuan"], &variables), Lang::En);
        assert_eq!(run(&["xunyuan"], &[("LANG", "en_US"), ("LC_ALL", "zh_TW")]), Lang::Zh);
        assert_eq!(run(&["xunyuan"], &[("LANG", "de_DE")]), Lang::En);
    }

    #[test]
    fn the_flag_beats_the_locale_wherever_it_stands() {
        let english = [("LANG", "en_US.UTF-8")];
        assert_eq!(run(&["xunyuan", "status", "--lang", "zh"], &english), Lang::Zh);
        assert_eq!(run(&["xunyuan", "--lang=zh-CN", "status"], &english), Lang::Zh);
        assert_eq!(run(&["xunyuan", "--lang=en", "status"], &[]), Lang::En);
        assert_eq!(run(&["xunyuan", "search", "--", "--lang=en"], &[]), Lang::Zh);
    }
}
