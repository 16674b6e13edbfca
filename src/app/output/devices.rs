//! Phones and policies as people read them.

use super::super::control::{
    AccessDetail, DeviceDetail, DeviceLine, LogLine, PolicyLine, SettingLine,
};
use super::{clean, counted, date, table};

pub(super) fn devices(lines: &[DeviceLine]) -> String {
    table(
        &["Id", "Person", "Name", "Model", "System", "Version", "State", "Last seen"],
        lines.iter().map(|line| {
            let texts = [&line.id, &line.email, &line.name, &line.model, &line.os, &line.version];
            let mut cells: Vec<String> = texts.into_iter().cloned().collect();
            cells.push(state(line));
            cells.push(date(line.last_seen));
            cells
        }),
    )
}

fn state(line: &DeviceLine) -> String {
    match (line.wipe.as_str(), line.reason.as_str()) {
        ("", "removed") => "removed".into(),
        ("", _) => line.access.clone(),
        (wipe, _) => format!("wipe {wipe}"),
    }
}

pub(super) fn device(detail: &DeviceDetail) -> String {
    let line = &detail.line;
    let policy = match (&detail.policy, &detail.acknowledged) {
        (None, None) => "none".to_owned(),
        (None, Some(was)) => format!("none any more; it still obeys {was}"),
        (Some(name), Some(_)) if detail.policy_is_current && detail.obeys_partly => {
            format!("{name}, obeyed in part")
        }
        (Some(name), Some(_)) if detail.policy_is_current => format!("{name}, obeyed"),
        (Some(name), _) => format!("{name}, not taken up yet"),
    };
    let error = line.last_error.as_ref();
    let error = error.map(|error| format!("{} ({})", error.text, date(error.at)));
    let log = detail.log_until.map(|until| format!("on until {}", date(until)));
    let rows = [
        ("Id", line.id.clone()),
        ("Person", line.email.clone()),
        ("Name", line.name.clone()),
        ("Model", line.model.clone()),
        ("System", line.os.clone()),
        ("Language", detail.os_language.clone()),
        ("Phone number", line.phone_number.clone()),
        ("Operator", detail.mobile_operator.clone()),
        ("IMEI", detail.imei.clone()),
        ("Type", detail.kind.clone()),
        ("Program", detail.user_agent.clone()),
        ("Version", line.version.clone()),
        ("State", format!("{} (by: {})", line.access, line.reason)),
        ("Wipe", line.wipe.clone()),
        ("Policy", policy),
        ("Recovery password", detail.recovery_password.clone().unwrap_or_default()),
        ("First seen", date(line.first_seen)),
        ("Last seen", date(line.last_seen)),
        ("Last error", error.unwrap_or_default()),
        ("Protocol log", log.unwrap_or_default()),
    ];
    let told = rows.iter().filter(|(_, value)| !value.is_empty());
    let mut text: String =
        told.map(|(name, value)| format!("{name:<18} {}\n", clean(value))).collect();
    text.push('\n');
    if detail.folders.is_empty() {
        return text + "It has loaded no folder yet.\n";
    }
    text += &table(
        &["Folder", "Items", "Pending", "State", "Window"],
        detail.folders.iter().map(|folder| {
            let state = match (folder.pending, folder.behind) {
                (0, false) => "up to date",
                (0, true) => "changes wait",
                _ => "loading",
            };
            let counts = (folder.items.to_string(), folder.pending.to_string());
            vec![folder.name.clone(), counts.0, counts.1, state.into(), window(folder.filter)]
        }),
    );
    text
}

/// A `FilterType` in words (MS-ASCMD 2.2.3.68.2).
fn window(filter: u8) -> String {
    match filter {
        1 => "1 day",
        2 => "3 days",
        3 => "1 week",
        4 => "2 weeks",
        5 => "1 month",
        6 => "3 months",
        7 => "6 months",
        8 => "open tasks",
        _ => "all",
    }
    .into()
}

pub(super) fn log(lines: &[LogLine]) -> String {
    if lines.is_empty() {
        return "nothing was kept; switch it on with --on\n".into();
    }
    let multiline = |text: &str| text.lines().map(|line| format!("  {}\n", clean(line))).collect();
    lines
        .iter()
        .map(|line| {
            let (request, answer): (String, String) =
                (multiline(&line.request), multiline(&line.answer));
            let (at, millis) = (date(line.at), line.micros / 1000);
            format!("{at} {}\n{request}answered after {millis} ms\n{answer}\n", clean(&line.head))
        })
        .collect()
}

pub(super) fn policies(lines: &[PolicyLine]) -> String {
    if lines.is_empty() {
        return "none: nothing is demanded of any phone\n".into();
    }
    lines.iter().map(policy).collect::<Vec<_>>().join("\n")
}

fn policy(line: &PolicyLine) -> String {
    let mut text = format!("{}\n", clean(&line.name));
    let mut people = line.people.clone();
    if line.for_all {
        people.insert(0, "all who have none of their own".into());
    }
    let people = if people.is_empty() { "nobody".into() } else { people.join(", ") };
    text += &format!("  for {}\n", clean(&people));
    if line.allow_partial {
        text += "  phones that obey a part of it come in\n";
    }
    if line.allow_non_provisionable {
        text += "  phones that do not know of policies come in\n";
    }
    for setting in &line.settings {
        text += &format!("  {}={}  ({})\n", setting.name, clean(&setting.value), setting.meaning);
    }
    text
}

pub(super) fn settings(lines: &[SettingLine]) -> String {
    table(
        &["Setting", "Values (default)", "Meaning"],
        lines.iter().map(|line| vec![line.name.clone(), line.value.clone(), line.meaning.clone()]),
    )
}

pub(super) fn access(detail: &AccessDetail) -> String {
    let most = match detail.max_devices {
        0 => "any number of phones".to_owned(),
        number => counted(number, "phone", "phones"),
    };
    let mut text = format!(
        "Default: {}\nA person may have {most}.\n\nRules, asked in this order:\n",
        detail.default
    );
    text += &table(
        &["Number", "What", "Pattern", "State"],
        detail.rules.iter().map(|rule| {
            let number = rule.number.to_string();
            vec![number, rule.what.clone(), rule.pattern.clone(), rule.access.clone()]
        }),
    );
    text += "\nExceptions:\n";
    text += &table(
        &["Person", "Phone", "State"],
        detail.exceptions.iter().map(|each| {
            let device = each.device.clone().unwrap_or_else(|| "all".into());
            vec![each.email.clone(), device, each.access.clone()]
        }),
    );
    text
}
