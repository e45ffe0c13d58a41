use super::*;
use bellwether_model::{ImageId, Timestamp, vm::Devices};
use proptest::prelude::*;

const IMAGE: &str = "01890000-0000-7000-8000-000000000001";

fn images() -> Vec<Image> {
    let ready = Image {
        id: IMAGE.parse().unwrap(),
        name: "Debian 12".into(),
        os: "Debian 12".into(),
        state: ImageState::Ready,
        reason: None,
        url: None,
        sha256: None,
        checksums_url: None,
        verified: true,
        file_bytes: Some(400 << 20),
        virtual_bytes: Some((2 << 30) + 1),
        format: None,
        min_disk: GiB(2),
        min_memory: MiB(256),
        devices: Devices::Virtio,
        cloud_init: true,
        created_at: Timestamp(0),
    };
    let fetching = Image {
        id: ImageId(Default::default()),
        name: "Fedora 43".into(),
        state: ImageState::Fetching,
        ..ready.clone()
    };
    vec![ready, fetching]
}

fn draft() -> Draft {
    let text = |text: &str| Some(text.to_string());
    Draft {
        name: text(" web  "),
        vcpus: text("2"),
        memory_mib: text("1024"),
        disk_gib: text("10"),
        from: text("2026-11-24"),
        until: text("2026-12-24"),
        purpose: text("Tests\r\nof things"),
        image: text(IMAGE),
        ssh_key: None,
    }
}

fn judged(draft: &Draft) -> Result<RequestSpec, Vec<FieldError>> {
    let images = images();
    validate(
        draft,
        &RequestContext {
            policy: &Policy::default(),
            images: &images,
            today: "2026-11-24".parse().unwrap(),
        },
    )
}

/// One field set to `text` is refused with a message that has `part`; no other field is.
fn refused(field: &str, text: &str, part: &str) {
    let mut draft = draft();
    let value = Some(text.to_string());
    *match field {
        "name" => &mut draft.name,
        "vcpus" => &mut draft.vcpus,
        "memory_mib" => &mut draft.memory_mib,
        "disk_gib" => &mut draft.disk_gib,
        "from" => &mut draft.from,
        "until" => &mut draft.until,
        "purpose" => &mut draft.purpose,
        "image" => &mut draft.image,
        _ => &mut draft.ssh_key,
    } = value;
    let wrong = judged(&draft).expect_err(text);
    assert_eq!(wrong.len(), 1, "{field}={text:?}: {wrong:?}");
    assert_eq!(wrong[0].field, field);
    assert!(
        wrong[0].message.contains(part),
        "{field}={text:?}: {}",
        wrong[0].message
    );
    assert!(
        wrong[0].message.chars().count() < 300,
        "{}",
        wrong[0].message
    );
}

#[test]
fn a_good_request_is_taken_as_meant() {
    let spec = judged(&draft()).unwrap();
    assert_eq!(
        (spec.name.as_str(), spec.vcpus, spec.memory, spec.disk),
        ("web", Vcpus(2), MiB(1_024), GiB(10))
    );
    assert_eq!(spec.purpose, "Tests\nof things");
    assert_eq!(sizes(&spec), "2 vCPUs, 1,024 MiB, 10 GiB");
    let by_name = Draft {
        image: Some("Debian 12".into()),
        until: Some("2026-11-24".into()),
        ..draft()
    };
    assert!(judged(&by_name).is_ok(), "one day, image by name");
}

#[test]
fn bad_fields_are_named_with_what_would_be_accepted() {
    for (field, text, part) in [
        ("vcpus", "-1", "'-1' is negative; 1 to 64 vCPUs"),
        ("vcpus", "0", "0 vCPUs is too little; 1 to 64"),
        ("vcpus", "65", "65 vCPUs is too much"),
        ("vcpus", "99999999999999999999999999", "is too much"),
        ("vcpus", "two", "'two' is not a whole number"),
        ("vcpus", "1.5", "not a whole number"),
        ("vcpus", "+1", "not a whole number"),
        ("vcpus", "١", "not a whole number"),
        ("vcpus", "", "missing"),
        (
            "memory_mib",
            "255",
            "too little for 'Debian 12'; 256 to 262,144 MiB",
        ),
        ("memory_mib", "1e9", "not a whole number"),
        (
            "disk_gib",
            "2",
            "too little for 'Debian 12'; 3 to 4,096 GiB",
        ),
        ("disk_gib", "4097", "too much"),
        ("from", "2026-11-23", "is past"),
        ("from", "2027-11-26", "too far ahead"),
        ("from", "24.11.2026", "not a day"),
        ("from", "2026-02-30", "not a day"),
        ("from", "2026-11-24T10:00", "not a day"),
        ("until", "2026-11-23", "before the first day, 2026-11-24"),
        ("until", "2027-11-25", "is 367 days; at most 366"),
        ("until", "9999-12-31", "at most 366"),
        ("name", "  ", "missing"),
        ("name", &"x".repeat(64), "has 64 characters"),
        ("name", &"x".repeat(10_000), "has 10,000 characters"),
        ("name", "a\nb", "line break"),
        ("name", "a\u{202e}b", "invisible"),
        ("purpose", "\r\n", "say what it is for"),
        ("purpose", &"x".repeat(2_001), "2,001 characters"),
        ("purpose", "a\0b", "control character"),
        (
            "image",
            "Fedora 43",
            "is fetching, not ready; ready are: 'Debian 12'",
        ),
        ("image", "Plan 9", "there is no image 'Plan 9'"),
        ("image", "", "missing"),
        ("ssh_key", "ssh-rsa", "not an OpenSSH public key"),
    ] {
        refused(field, text, part);
    }
}

#[test]
fn names_of_any_script_are_kept_exactly() {
    for name in [
        "Büro <1>",
        "データ",
        "a/b \"c\" & 'd'",
        "שלום",
        &"é".repeat(63),
    ] {
        let with = Draft {
            name: Some(name.into()),
            ..draft()
        };
        assert_eq!(judged(&with).unwrap().name, name);
    }
}

#[test]
fn an_empty_form_names_every_field_that_is_needed() {
    let fields: Vec<String> = judged(&Draft::default())
        .unwrap_err()
        .into_iter()
        .map(|wrong| wrong.field)
        .collect();
    assert_eq!(
        fields,
        [
            "name",
            "image",
            "vcpus",
            "memory_mib",
            "disk_gib",
            "from",
            "until",
            "purpose"
        ]
    );
}

proptest! {
    #[test]
    fn whatever_is_typed_is_judged_and_what_passes_keeps_the_policy(
        name in "\\PC{0,70}", vcpus in "[-+0-9a-f. ]{0,12}", memory in "[0-9]{1,8}", disk in "[0-9]{1,6}",
        from in "20[0-9]{2}-[0-9]{2}-[0-9]{2}", until in "20[0-9]{2}-[0-9]{2}-[0-9]{2}", purpose in ".{0,40}",
    ) {
        let draft = Draft {
            name: Some(name), vcpus: Some(vcpus), memory_mib: Some(memory), disk_gib: Some(disk), from: Some(from),
            until: Some(until), purpose: Some(purpose), image: Some(IMAGE.into()), ssh_key: None,
        };
        match judged(&draft) {
            Ok(spec) => {
                let policy = Policy::default();
                prop_assert!((1..=policy.max_vcpus.0).contains(&spec.vcpus.0));
                prop_assert!(spec.memory <= policy.max_memory && spec.disk <= policy.max_disk);
                prop_assert!(spec.from <= spec.until);
                prop_assert!(days_inclusive(spec.from, spec.until) <= i64::from(policy.max_lease_days));
                prop_assert_eq!(spec.name.trim(), spec.name.as_str());
            }
            Err(wrong) => prop_assert!(!wrong.is_empty()),
        }
    }
}
