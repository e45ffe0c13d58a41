//! Golden files, libvirt's own schema, and any text at all.

use super::*;
use crate::{
    ffi::Connect,
    xml::{describe::read_domain, writer::allowed},
};
use bellwether_hypervisor::{DiskDefinition, Ownership};
use bellwether_model::{Mac, MiB, Vcpus};
use proptest::prelude::*;

fn definition(devices: Devices) -> VmDefinition {
    VmDefinition {
        uuid: "6c1ab4b8-1111-4222-8333-444455556666".parse().unwrap(),
        name: "bw-6c1ab4b8-web".into(),
        title: "Web <1> & \"more\"".into(),
        description: "Lecture 'databases'\nsummer term".into(),
        ownership: Ownership {
            owner: "ada".into(),
            request: "0190-request".into(),
            lease_from: "2026-11-24".into(),
            lease_until: "2027-03-31".into(),
            name: "Web <1> & \"more\"".into(),
            image: "0190-image".into(),
            address: "10.77.0.20".into(),
            job: "0190-job".into(),
        },
        vcpus: Vcpus(2),
        memory: MiB(512),
        cpu: GuestCpu::Emulated,
        devices,
        disks: vec![
            DiskDefinition {
                pool: "shared".into(),
                volume: "bw-6c1ab4b8.qcow2".into(),
                format: "qcow2".into(),
                seed: false,
            },
            DiskDefinition {
                pool: "shared".into(),
                volume: "bw-6c1ab4b8-seed.img".into(),
                format: "raw".into(),
                seed: true,
            },
        ],
        mac: Mac::local([1, 2, 3]),
        carrier: Carrier::Bridge("br0".into()),
    }
}

fn sources() -> Vec<DiskSource> {
    ["bw-6c1ab4b8.qcow2", "bw-6c1ab4b8-seed.img"]
        .map(|name| DiskSource::File(format!("/srv/pool/{name}")))
        .into()
}

fn platform(virt_type: &str) -> Platform {
    Platform {
        arch: "x86_64".into(),
        virt_type: virt_type.into(),
        machine: Some("q35".into()),
        has_cpu_models: true,
        uuid: None,
        cpu_model: String::new(),
    }
}

const BASELINE: &str = "<cpu mode='custom' match='exact'><model fallback='forbid'>Skylake-Client</model>\
    <vendor>Intel</vendor><feature policy='require' name='ss'/><feature policy='disable' name='hle'/></cpu>";

fn rbd() -> DiskSource {
    DiskSource::Rbd(RbdSource {
        name: "vms/bw-6c1ab4b8".into(),
        hosts: vec![("mon1".into(), Some("6789".into())), ("mon2".into(), None)],
        auth: Some((
            "libvirt".into(),
            "9d3c4e5f-0000-4000-8000-000000000000".into(),
        )),
    })
}

/// Every variant of a definition we write.
fn variants() -> Vec<(&'static str, VmDefinition, Vec<DiskSource>)> {
    let mut baseline = definition(Devices::Virtio);
    baseline.cpu = GuestCpu::Baseline(BASELINE.into());
    baseline.carrier = Carrier::Libvirt("guests".into());
    baseline.description = String::new();
    vec![
        ("virtio", definition(Devices::Virtio), sources()),
        ("plain", definition(Devices::Plain), sources()),
        (
            "baseline",
            baseline,
            vec![rbd(), DiskSource::Block("/dev/vg/seed".into())],
        ),
    ]
}

#[test]
fn golden() {
    for (name, definition, sources) in variants() {
        let kind = if name == "plain" { "qemu" } else { "kvm" };
        insta::assert_snapshot!(
            name,
            domain_xml(&definition, &sources, &platform(kind)).unwrap()
        );
    }
}

/// libvirt's test driver runs inside the library, without a daemon, and checks against the same schema as a host does.
#[test]
fn libvirt_accepts_what_we_write() {
    let connect = Connect::open("test:///default").unwrap();
    for (name, definition, sources) in variants() {
        let mut xml = domain_xml(&definition, &sources, &platform("test")).unwrap();
        // The test driver is a 32-bit machine with no machine types; nothing else is changed.
        xml = xml.replace(" arch=\"x86_64\" machine=\"q35\"", "");
        let defined = connect.define(&xml);
        let domain = defined.unwrap_or_else(|failure| panic!("{name}: {}", failure.message));
        let seen = read_domain(&domain.xml(0).unwrap()).unwrap();
        assert_eq!(seen.uuid, definition.uuid, "{name}");
        assert_eq!(seen.ownership, Some(definition.ownership), "{name}");
        assert_eq!(seen.description, definition.description, "{name}");
        assert_eq!(seen.memory, definition.memory, "{name}");
        assert_eq!(seen.nics[0].carrier, Some(definition.carrier), "{name}");
        assert!(seen.disks[1].read_only, "{name}");
        domain.undefine(0).unwrap();
    }
}

#[test]
fn libvirts_schema_is_really_asked() {
    let connect = Connect::open("test:///default").unwrap();
    let xml = domain_xml(&definition(Devices::Virtio), &sources(), &platform("test")).unwrap();
    let xml = xml
        .replace(" arch=\"x86_64\" machine=\"q35\"", "")
        .replace("autoport=\"yes\"", "autoport=\"maybe\"");
    let failure = connect.define(&xml).err().expect("the schema forbids it");
    let said = crate::trouble::call_error("defining", &failure).to_string();
    assert!(
        said.starts_with("the host refused the definition"),
        "{said}"
    );
}

#[test]
fn a_baseline_that_is_no_xml_is_an_error() {
    let mut wrong = definition(Devices::Virtio);
    wrong.cpu = GuestCpu::Baseline("<cpu".into());
    assert!(domain_xml(&wrong, &sources(), &platform("kvm")).is_err());
}

proptest! {
    #[test]
    fn any_text_survives(title in any::<String>(), description in any::<String>(), owner in any::<String>()) {
        let mut wanted = definition(Devices::Virtio);
        wanted.title.clone_from(&title);
        wanted.description.clone_from(&description);
        wanted.ownership.owner.clone_from(&owner);
        wanted.ownership.lease_until.clone_from(&title);
        let clean = [&title, &description, &owner].iter().all(|text| text.chars().all(allowed));
        match domain_xml(&wanted, &sources(), &platform("kvm")) {
            Ok(xml) => {
                prop_assert!(clean);
                let seen = read_domain(&xml).unwrap();
                prop_assert_eq!(seen.description, description);
                prop_assert_eq!(seen.ownership, Some(wanted.ownership));
            }
            Err(trouble) => {
                prop_assert!(!clean);
                let said = trouble.into_error("defining").to_string();
                prop_assert!(said.contains("holds the character U+"), "{}", said);
            }
        }
    }
}
