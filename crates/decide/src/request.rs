//! Is a request acceptable? Judged field by field, so that a form can show what is wrong beside each.

use crate::{
    ssh_key,
    words::{grouped, mib},
};
use bellwether_model::{
    Day, FieldError, GiB, MiB, Vcpus,
    image::{Image, ImageState},
    policy::Policy,
    request::RequestSpec,
    text::{is_hidden, shown},
};
use serde::{Deserialize, Serialize};

/// A request as somebody typed it; every field as text, none where it was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Draft {
    /// Display name.
    pub name: Option<String>,
    /// Virtual CPUs, a whole number.
    pub vcpus: Option<String>,
    /// Memory in MiB, a whole number.
    pub memory_mib: Option<String>,
    /// Disk in GiB, a whole number.
    pub disk_gib: Option<String>,
    /// First day, `YYYY-MM-DD`.
    pub from: Option<String>,
    /// Last day, included, `YYYY-MM-DD`.
    pub until: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// The image: its identifier or its name.
    pub image: Option<String>,
    /// OpenSSH public key; may be left out.
    pub ssh_key: Option<String>,
}

/// What a request is judged against.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    /// Limits.
    pub policy: &'a Policy,
    /// Every image known.
    pub images: &'a [Image],
    /// Today, in the site's time zone.
    pub today: Day,
}

/// Longest display name, characters.
pub const LONGEST_NAME: usize = 63;
/// Longest purpose, characters.
pub const LONGEST_PURPOSE: usize = 2_000;

/// The request, if every field is acceptable; else each field with what is wrong and what would be accepted.
pub fn validate(
    draft: &Draft,
    context: &RequestContext<'_>,
) -> Result<RequestSpec, Vec<FieldError>> {
    let policy = context.policy;
    let mut wrong = Wrong(Vec::new());
    let name = wrong.take("name", name(draft.name.as_deref()));
    let image = wrong.take("image", image(draft.image.as_deref(), context.images));
    let vcpus = wrong.take(
        "vcpus",
        size(
            draft.vcpus.as_deref(),
            1,
            u64::from(policy.max_vcpus.0),
            "vCPUs",
            None,
        ),
    );
    let least_memory = image.map_or(1, |image| image.min_memory.0.max(1));
    let memory = wrong.take(
        "memory_mib",
        size(
            draft.memory_mib.as_deref(),
            least_memory,
            policy.max_memory.0,
            "MiB",
            image.map(|image| image.name.as_str()),
        ),
    );
    let least_disk = image.map_or(1, least_disk);
    let disk = wrong.take(
        "disk_gib",
        size(
            draft.disk_gib.as_deref(),
            least_disk,
            policy.max_disk.0,
            "GiB",
            image.map(|image| image.name.as_str()),
        ),
    );
    let from = wrong.take("from", first_day(draft.from.as_deref(), context));
    let until = wrong.take("until", last_day(draft.until.as_deref(), from, context));
    let purpose = wrong.take("purpose", purpose(draft.purpose.as_deref()));
    let key = draft
        .ssh_key
        .as_deref()
        .filter(|key| !key.trim().is_empty());
    let ssh_key = match key.map(ssh_key::checked).transpose() {
        Ok(key) => key,
        Err(why) => {
            wrong.add("ssh_key", why);
            None
        }
    };
    match (name, vcpus, memory, disk, from, until, purpose, image) {
        (
            Some(name),
            Some(vcpus),
            Some(memory),
            Some(disk),
            Some(from),
            Some(until),
            Some(purpose),
            Some(image),
        ) if wrong.0.is_empty() => Ok(RequestSpec {
            name,
            // `size` kept it within the policy's u32.
            vcpus: Vcpus(u32::try_from(vcpus).unwrap_or(u32::MAX)),
            memory: MiB(memory),
            disk: GiB(disk),
            from,
            until,
            purpose,
            image: image.id,
            ssh_key,
        }),
        _ => Err(wrong.0),
    }
}

struct Wrong(Vec<FieldError>);

impl Wrong {
    fn add(&mut self, field: &str, message: String) {
        self.0.push(FieldError {
            field: field.into(),
            message,
        });
    }
    fn take<T>(&mut self, field: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|message| self.add(field, message)).ok()
    }
}

/// The smallest disk, in GiB, that the image fits on.
fn least_disk(image: &Image) -> u64 {
    let inside = image.virtual_bytes.map_or(0, |bytes| GiB::holding(bytes).0);
    image.min_disk.0.max(inside).max(1)
}

/// A display name: 1–63 characters of any script on one line, surrounding space taken away.
pub fn name(text: Option<&str>) -> Result<String, String> {
    let text = text.unwrap_or("").trim();
    let length = text.chars().count();
    let rule = format!("1 to {LONGEST_NAME} characters of any script on one line are accepted");
    if length == 0 {
        Err(format!("a name is missing; {rule}"))
    } else if length > LONGEST_NAME {
        Err(format!(
            "'{}' has {} characters; {rule}",
            shown(text),
            grouped(length as u64)
        ))
    } else if text.chars().any(is_hidden) {
        Err(format!(
            "'{}' has a line break, control or invisible character; {rule}",
            shown(text)
        ))
    } else {
        Ok(text.into())
    }
}

fn purpose(text: Option<&str>) -> Result<String, String> {
    // Browsers send line breaks as CR LF.
    let text = text.unwrap_or("").replace("\r\n", "\n");
    let text = text.trim();
    let length = text.chars().count();
    let rule = format!(
        "1 to {} characters are accepted",
        grouped(LONGEST_PURPOSE as u64)
    );
    if length == 0 {
        Err(format!("say what it is for; {rule}"))
    } else if length > LONGEST_PURPOSE {
        Err(format!(
            "this has {} characters; {rule}",
            grouped(length as u64)
        ))
    } else if text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        Err(format!(
            "this has a control character; {rule}, with line breaks"
        ))
    } else {
        Ok(text.into())
    }
}

fn size(
    text: Option<&str>,
    least: u64,
    most: u64,
    unit: &str,
    image: Option<&str>,
) -> Result<u64, String> {
    let text = text.unwrap_or("").trim();
    let rule = format!(
        "{} to {} {unit} can be asked for",
        grouped(least),
        grouped(most)
    );
    if text.is_empty() {
        return Err(format!("a whole number is missing; {rule}"));
    }
    let negative = text.strip_prefix('-').is_some_and(is_digits);
    if negative {
        return Err(format!("'{}' is negative; {rule}", shown(text)));
    }
    if !is_digits(text) {
        return Err(format!("'{}' is not a whole number; {rule}", shown(text)));
    }
    // Only too many digits can fail here.
    let number = text.parse().unwrap_or(u64::MAX);
    if number > most {
        return Err(format!("{} {unit} is too much; {rule}", shown(text)));
    }
    if number < least {
        return Err(match image {
            Some(image) if number > 0 => {
                format!(
                    "{number} {unit} is too little for '{}'; {rule}",
                    shown(image)
                )
            }
            _ => format!("{number} {unit} is too little; {rule}"),
        });
    }
    Ok(number)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A day as people and browsers write it: `YYYY-MM-DD`.
pub fn day(text: Option<&str>) -> Result<Day, String> {
    let text = text.unwrap_or("").trim();
    if text.is_empty() {
        return Err("a day is missing; it is written YYYY-MM-DD".into());
    }
    let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    plain
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| format!("'{}' is not a day; it is written YYYY-MM-DD", shown(text)))
}

/// Days from `from` to `until`, both included; negative or zero where reversed.
pub fn days_inclusive(from: Day, until: Day) -> i64 {
    from.until(until)
        .map_or(0, |span| i64::from(span.get_days()))
        + 1
}

/// `days` after `day`; the calendar's end where there is none.
pub fn days_after(day: Day, days: u32) -> Day {
    day.checked_add(std::time::Duration::from_secs(u64::from(days) * 86_400))
        .unwrap_or(Day::MAX)
}

fn first_day(text: Option<&str>, context: &RequestContext<'_>) -> Result<Day, String> {
    let from = day(text)?;
    let latest = days_after(context.today, context.policy.max_days_ahead);
    if from < context.today {
        return Err(format!(
            "{from} is past; the first day can be {} to {latest}",
            context.today
        ));
    }
    if from > latest {
        return Err(format!(
            "{from} is too far ahead; the first day can be {} to {latest}",
            context.today
        ));
    }
    Ok(from)
}

fn last_day(
    text: Option<&str>,
    from: Option<Day>,
    context: &RequestContext<'_>,
) -> Result<Day, String> {
    let until = day(text)?;
    let most = context.policy.max_lease_days.max(1);
    let first = from.unwrap_or(context.today);
    let latest = days_after(first, most - 1);
    if until < first {
        return Err(match from {
            Some(from) => {
                format!(
                    "{until} is before the first day, {from}; the last day can be {from} to {latest}"
                )
            }
            None => format!("{until} is past; today is {}", context.today),
        });
    }
    // Where the first day is not known its own message comes first.
    if from.is_some() && until > latest {
        return Err(format!(
            "{first} to {until} is {} days; at most {} are granted at once, that is until {latest}",
            grouped(days_inclusive(first, until).unsigned_abs()),
            grouped(u64::from(most))
        ));
    }
    Ok(until)
}

fn image<'a>(text: Option<&str>, images: &'a [Image]) -> Result<&'a Image, String> {
    let text = text.unwrap_or("").trim();
    let ready = || {
        let names: Vec<String> = images
            .iter()
            .filter(|image| image.state == ImageState::Ready)
            .map(|image| format!("'{}'", shown(&image.name)))
            .collect();
        if names.is_empty() {
            "none is ready yet; an administrator adds them".to_string()
        } else {
            format!("ready are: {}", names.join(", "))
        }
    };
    if text.is_empty() {
        return Err(format!("an operating system is missing; {}", ready()));
    }
    let found = images
        .iter()
        .find(|image| image.id.to_string() == text || image.name == text)
        .ok_or_else(|| format!("there is no image '{}'; {}", shown(text), ready()))?;
    if found.state == ImageState::Ready {
        Ok(found)
    } else {
        Err(format!(
            "'{}' is {}, not ready; {}",
            shown(&found.name),
            found.state,
            ready()
        ))
    }
}

/// A size beside its unit, for messages elsewhere: `2 vCPUs, 4,096 MiB, 20 GiB`.
pub fn sizes(spec: &RequestSpec) -> String {
    format!(
        "{}, {}, {} GiB",
        crate::words::counted(u64::from(spec.vcpus.0), "vCPU", "vCPUs"),
        mib(spec.memory),
        grouped(spec.disk.0)
    )
}

#[cfg(test)]
mod tests;
