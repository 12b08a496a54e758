//! The Chinese face of the command line: help texts by command and argument, and usage errors.

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use crate::failure::Failure;

/// Help template with Chinese headings.
const TEMPLATE: &str = "{about-with-newline}\n用法:{usage}\n\n{all-args}{after-help}";

/// Help by argument id.
type Texts = &'static [(&'static str, &'static str)];

/// The help of each command (path of names below `xunyuan`) and of its arguments.
const HELP: &[(&str, &str, Texts)] = &[
    ("", "巡园命令行:无信号也能巡查和记台帐,有信号时与分公司合并", &[]),
    (
        "enroll",
        "用分公司发的一次性链接在本机开通(需要信号)",
        &[
            ("link", "链接原文:xunyuan://enroll?... 或 https://.../enroll#..."),
            ("dir", "新数据文件所在目录,文件以人员命名(默认:数据目录)"),
        ],
    ),
    ("encrypt", "用 --key-file 的密钥加密数据文件;密钥文件不存在时生成", &[]),
    ("decrypt", "解密数据文件", &[]),
    ("rekey", "给加密的数据文件更换密钥", &[("new_key_file", "新的密钥文件,不存在时生成")]),
    ("whoami", "本数据文件属于谁", &[]),
    ("slots", "今天的计划时段及进度", &[]),
    ("duties", "我的待办:什么事在何时前要做,据本机所知现在怎样", &[]),
    ("remind", "今后几天本机会提醒什么,无信号也能算出", &[("days", "今后几天")]),
    ("describe", "可填写的检查表和台帐;给出编号则列出其字段和选项", &[("id", "检查表或台帐编号")]),
    (
        "start",
        "开始一个计划时段;或用 --checklist 和 --project 临时检查",
        &[
            ("slot", "时段,见 slots 的输出"),
            ("checklist", "临时检查所用的检查表"),
            ("project", "临时检查的项目;同一时段多个项目都有时也用它指明"),
        ],
    ),
    ("show", "查看一张检查表或一条台帐", &[("record", "文档编号(至少 4 位)、临时号或正式号")]),
    (
        "set",
        "填写检查表的表头",
        &[("record", "检查表"), ("field", "字段"), ("value", "内容;多人时用逗号分隔编号")],
    ),
    (
        "answer",
        "回答检查表的一项",
        &[
            ("record", "检查表"),
            ("item", "检查项"),
            ("value", "选项、数值或文字,按该项的类型;- 表示撤回"),
            ("note", "该项的说明;替换原有说明"),
            ("photo", "该项的照片;可重复"),
        ],
    ),
    ("note", "填写一项的说明", &[("record", "检查表"), ("item", "检查项"), ("text", "说明全文")]),
    (
        "scan",
        "扫码到点",
        &[
            ("record", "检查表"),
            ("code", "标签上的码"),
            ("damaged", "标签损坏的原因;此时 CODE 为点位编号或印刷码"),
        ],
    ),
    (
        "line",
        "在检查表的重复组里加一行",
        &[("record", "检查表"), ("group", "重复组"), ("fields", "该行的字段")],
    ),
    (
        "sign",
        "签字",
        &[
            ("record", "检查表"),
            ("signoff", "哪一项签字(只有一项时可省略)"),
            ("drawn", "手写签名文件:SVG 或 PNG"),
        ],
    ),
    (
        "attach",
        "往记录里放照片、PDF、录音或手写签名",
        &[
            ("record", "检查表或台帐条目"),
            ("place", "检查项、照片或签名字段、签字处,或 组/行/字段"),
            ("files", "照片(JPEG、PNG、WebP、HEIC、GIF)、PDF、录音、手写签名(SVG、PNG);- 从标准输入读一个"),
            ("reason", "检查表已完成时的原因"),
        ],
    ),
    (
        "photos",
        "照片与附件:list 列出及状态、retry 重传、replace 更换、discard 撤回、fetch 下载、export 导出",
        &[],
    ),
    (
        "photos list",
        "列出一条记录的文件,或全部待上传、待处理的文件",
        &[("record", "检查表或台帐条目;省略则列出所有待办")],
    ),
    ("photos retry", "再次上传未能上传的文件;省略则全部", &[("files", "文件编号,各至少 4 位")]),
    (
        "photos replace",
        "用另一个文件替换",
        &[
            ("record", "检查表或台帐条目"),
            ("file", "要替换的文件,编号至少 4 位"),
            ("new", "新文件;- 从标准输入读"),
            ("reason", "检查表已完成时的原因"),
        ],
    ),
    (
        "photos discard",
        "把文件从记录中撤回;历史保留撤回记录",
        &[
            ("record", "检查表或台帐条目"),
            ("file", "文件,编号至少 4 位"),
            ("reason", "检查表已完成时的原因"),
            ("yes", "确定撤回"),
        ],
    ),
    (
        "photos fetch",
        "从分公司下载一条记录的原件(或其中一个),并给出存放位置",
        &[("record", "检查表或台帐条目"), ("file", "只要一个文件,编号至少 4 位")],
    ),
    (
        "photos export",
        "把一条记录的文件写成 ZIP,含清单",
        &[("record", "检查表或台帐条目"), ("output", "要写的文件;不覆盖已有文件")],
    ),
    (
        "complete",
        "完成检查表;缺什么会列出",
        &[("record", "检查表"), ("with_gaps", "有缺项也完成:同事的部分可能还没同步过来")],
    ),
    ("review", "主管复核已完成的检查表", &[("record", "检查表"), ("note", "复核意见")]),
    (
        "amend",
        "更正已完成的检查表,须说明原因",
        &[
            ("record", "检查表"),
            ("answers", "更正后的答案"),
            ("reason", "原因"),
            ("note", "某项的说明;可重复"),
            ("photo", "某项的照片;可重复"),
        ],
    ),
    ("continue", "在续录中继续一条已封存的记录", &[("record", "记录")]),
    ("upgrade", "把草稿移到检查表的最新版本,所有答案保留", &[("record", "检查表")]),
    ("entry", "台帐:new 新建、edit 修改、event 流转、add 添加", &[]),
    (
        "entry new",
        "新建一条",
        &[("ledger", "台帐编号"), ("project", "项目(默认:本人所在项目)"), ("fields", "各字段")],
    ),
    ("entry edit", "修改字段", &[("record", "台帐条目"), ("fields", "新内容;字段= 表示撤回")]),
    (
        "entry event",
        "记录一个流转事件:派发、反馈、关闭……",
        &[("record", "台帐条目"), ("event", "事件,见 show 的输出"), ("data", "事件的内容")],
    ),
    (
        "entry add",
        "往集合里加值,按文件名加照片,或往明细里加一行(字段=内容 ……)",
        &[("record", "台帐条目"), ("field", "字段"), ("content", "集合的值、照片文件,或明细各字段")],
    ),
    (
        "list",
        "列出记录",
        &[
            ("ledger", "只看某台帐"),
            ("checklist", "只看某检查表"),
            ("project", "只看某项目"),
            ("state", "只看某状态"),
            ("overdue", "只看超期"),
            ("mine", "只看与我有关"),
            ("limit", "最多条数"),
        ],
    ),
    ("search", "全文搜索,含编号", &[("text", "要找的文字"), ("limit", "最多条数")]),
    ("history", "一条记录的历史:谁、何时、做了什么", &[("record", "记录")]),
    ("conflicts", "两人各自填写、互不知情的不同内容", &[]),
    (
        "resolve",
        "裁决一处冲突",
        &[
            ("record", "记录"),
            ("key", "冲突的键,见 conflicts 的输出"),
            ("choice", "以第几个为准,见 conflicts 的输出"),
        ],
    ),
    ("drafts", "分公司拒收的内容:list 列出、show 查看、apply 重新提交、export 导出、discard 放弃", &[]),
    ("drafts list", "列出草稿:拒收了什么、为什么、何时填写", &[]),
    ("drafts show", "查看一份草稿写了什么", &[("draft", "草稿编号(至少前 4 位)")]),
    (
        "drafts apply",
        "把草稿重新写到今天的记录上;规则仍不允许时草稿保留",
        &[("draft", "草稿编号(至少前 4 位)")],
    ),
    (
        "drafts export",
        "把草稿写成文件",
        &[("draft", "草稿编号(至少前 4 位)"), ("output", "要写的文件;不会覆盖已有文件")],
    ),
    (
        "drafts discard",
        "彻底放弃草稿;只留下曾有此草稿的记载",
        &[("draft", "草稿编号(至少前 4 位)"), ("yes", "确定放弃")],
    ),
    ("status", "待上传和被拒收的内容、上次同步、各范围进度和时钟", &[]),
    (
        "report",
        "本机记录的报表:表格、JSON、CSV、Excel 或可打印的网页",
        &[
            ("report", "报表编号;list 列出全部"),
            ("project", "只要一个项目"),
            ("period", "2026-11-23、2026-W47、2026-11、2026Q4、2026 或 起..止(默认:当前周期)"),
            ("record", "只要一条记录:单次检查、审核或不符合项"),
            ("format", "table、json、csv、xlsx 或 html(默认:按文件名)"),
            ("output", "要写的文件(默认:终端)"),
            ("overwrite", "文件已存在时替换它"),
        ],
    ),
    (
        "sync",
        "与分公司同步;同一目录里每个人的数据文件都以各自名义同步",
        &[("watch", "持续运行,有新内容就同步"), ("every", "与 --watch 合用:至少每隔多少秒同步一次")],
    ),
    (
        "export",
        "把本数据文件的全部文档和待上传内容导出,供支持人员使用",
        &[("output", "要写的文件;不会覆盖已有文件")],
    ),
    ("completions", "输出命令补全脚本", &[("shell", "哪种 shell")]),
];

/// Options that every command has.
const GLOBAL: &[(&str, &str)] = &[
    ("lang", "输出语言,zh 或 en(默认:按系统区域,否则中文)"),
    ("json", "输出一个 JSON 对象"),
    ("replica", "数据文件(默认:数据目录中唯一的 *.xunyuan 文件)"),
    ("key_file", "加密数据文件的密钥文件:64 个十六进制数字或 32 个字节"),
    ("proxy", "通往分公司的代理,http://主机:端口(默认:HTTPS_PROXY 等环境变量所指)"),
    ("help", "显示帮助"),
    ("version", "显示版本"),
];

/// The tree with Chinese help.
pub(super) fn translate(root: Command) -> Command {
    translate_below("", root)
}

/// Help with the words that clap writes by itself in Chinese.
pub(super) fn words(help: &str) -> String {
    help.replace("[OPTIONS]", "[选项]")
        .replace("[default: ", "[默认:")
        .replace("[possible values: ", "[可用:")
        .replace("[env: ", "[环境变量:")
}

fn translate_below(path: &str, mut command: Command) -> Command {
    let texts = HELP.iter().find(|(known, _, _)| *known == path);
    let arguments: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    for id in arguments {
        let own = texts.and_then(|(_, _, own)| own.iter().find(|(known, _)| *known == id));
        if let Some((_, help)) = own.or_else(|| GLOBAL.iter().find(|(known, _)| *known == id)) {
            command = command.mut_arg(&id, |arg| translate_arg(arg, help));
        }
    }
    let children: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let has_children = !children.is_empty();
    for name in children {
        let below = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        command = command.mut_subcommand(name, |sub| translate_below(&below, sub));
    }
    if let Some((_, about, _)) = texts {
        command = command.about(*about);
    }
    if has_children {
        command = command.subcommand_help_heading("命令").subcommand_value_name("命令");
    }
    command.help_template(TEMPLATE)
}

fn translate_arg(arg: Arg, help: &'static str) -> Arg {
    let heading = if arg.is_positional() { "参数" } else { "选项" };
    arg.help(help).long_help(Resettable::Reset).help_heading(heading)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "clap's kinds are open-ended")]
/// A usage error of clap as a failure in both languages.
pub(super) fn usage_failure(error: &clap::Error) -> Failure {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(" "),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        _ => String::new(),
    };
    let (argument, value, command) = (
        named(ContextKind::InvalidArg),
        named(ContextKind::InvalidValue),
        named(ContextKind::InvalidSubcommand),
    );
    let zh = match error.kind() {
        ErrorKind::MissingRequiredArgument => format!("缺少参数:{argument}"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "请给出一个命令".to_owned()
        }
        ErrorKind::InvalidSubcommand => format!("没有这个命令:{command}"),
        ErrorKind::UnknownArgument => format!("没有这个参数:{argument}"),
        ErrorKind::InvalidValue if value.is_empty() => format!("{argument} 需要一个值"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let allowed = named(ContextKind::ValidValue);
            let hint = if allowed.is_empty() { String::new() } else { format!(",可用:{allowed}") };
            format!("{argument} 的值 {value} 无效{hint}")
        }
        ErrorKind::ArgumentConflict => {
            format!("{argument} 不能与 {} 同时使用", named(ContextKind::PriorArg))
        }
        ErrorKind::TooFewValues | ErrorKind::TooManyValues | ErrorKind::WrongNumberOfValues => {
            format!("{argument} 的值个数不对")
        }
        _ => "命令行有误".to_owned(),
    };
    let rendered = error.to_string();
    let en = rendered.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let en = match error.kind() {
        ErrorKind::MissingRequiredArgument => format!("missing argument: {argument}"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is needed".to_owned()
        }
        _ => en.to_owned(),
    };
    Failure::invalid("usage", zh, en).and(";用 --help 查看用法", "; see --help")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{parse, tree};
    use xunyuan_ffi::words::Lang;

    fn walk(path: &str, command: &Command, seen: &mut Vec<String>) {
        let texts = HELP.iter().find(|(known, _, _)| *known == path);
        assert!(texts.is_some(), "no Chinese help for `{path}`");
        seen.push(path.to_owned());
        for arg in command.get_arguments() {
            let id = arg.get_id().as_str();
            let own = texts.is_some_and(|(_, _, own)| own.iter().any(|(known, _)| *known == id));
            assert!(own || GLOBAL.iter().any(|(known, _)| *known == id), "no Chinese help for `{path}` {id}");
        }
        for sub in command.get_subcommands() {
            let below = if path.is_empty() {
                sub.get_name().to_owned()
            } else {
                format!("{path} {}", sub.get_name())
            };
            walk(&below, sub, seen);
        }
    }

    #[test]
    fn every_command_and_argument_has_chinese_help() {
        let mut seen = Vec::new();
        walk("", &tree(Lang::En), &mut seen);
        for (path, _, _) in HELP {
            assert!(seen.iter().any(|known| known == path), "help for a command that is not there: `{path}`");
        }
    }

    #[test]
    fn chinese_help_has_chinese_headings() {
        let text = tree(Lang::Zh).render_help().to_string();
        assert!(text.contains("用法:xunyuan") && text.contains("命令:") && text.contains("选项:"), "{text}");
        assert!(!text.contains("Usage") && !text.contains("Commands") && !text.contains("Options"), "{text}");
    }

    #[test]
    fn usage_errors_name_the_argument_in_both_languages() {
        let args = ["xunyuan", "show"].map(str::to_owned);
        let failure = parse(&args, Lang::Zh).err().unwrap();
        let (zh, en) = failure.sentences();
        assert!(zh.contains("缺少参数:<RECORD>"), "{zh}");
        assert!(en.contains("missing argument: <RECORD>"), "{en}");
        let args = ["xunyuan", "--frobnicate"].map(str::to_owned);
        assert!(parse(&args, Lang::Zh).err().unwrap().sentences().0.contains("--frobnicate"));
    }
}
