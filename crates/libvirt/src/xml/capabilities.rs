//! What a host says it can do.

use super::{child, descend, text, writer::Writer};
use crate::trouble::Trouble;
use bellwether_model::MachineId;

/// How guests are made on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    /// `x86_64`.
    pub arch: String,
    /// `kvm`, or `qemu` where hardware virtualisation is absent (`test` with libvirt's test driver).
    pub virt_type: String,
    /// Machine type to ask for; none where the host lists none.
    pub machine: Option<String>,
    /// Whether CPU models can be asked for.
    pub has_cpu_models: bool,
    /// CPU model in words, as libvirt names it.
    pub cpu_model: String,
    /// The machine's UUID.
    pub uuid: Option<MachineId>,
}

impl Platform {
    /// Whether hardware virtualisation works.
    pub fn kvm(&self) -> bool {
        self.virt_type == "kvm"
    }
}

/// Reads `<capabilities>`. KVM counts where libvirt lists it for the host's own architecture.
pub(crate) fn read_capabilities(xml: &str) -> Result<Platform, Trouble> {
    let document = super::parse(xml)?;
    let root = document.root_element();
    let host_cpu = descend(root, &["host", "cpu"]);
    let host_arch = host_cpu
        .and_then(|cpu| child(cpu, "arch"))
        .map(text)
        .unwrap_or_default();
    let guests: Vec<_> = root
        .children()
        .filter(|node| node.has_tag_name("guest"))
        .filter_map(|guest| child(guest, "arch"))
        .collect();
    let arch = guests
        .iter()
        .find(|arch| arch.attribute("name") == Some(host_arch.as_str()))
        .or(guests.first())
        .ok_or_else(|| Trouble::unsupported("it lists no guests it can run; is QEMU installed?"))?;
    let types: Vec<&str> = arch
        .children()
        .filter(|node| node.has_tag_name("domain"))
        .filter_map(|domain| domain.attribute("type"))
        .collect();
    let virt_type = ["kvm", "qemu"]
        .into_iter()
        .find(|wanted| types.contains(wanted))
        .or(types.first().copied())
        .unwrap_or("qemu");
    let has_machine = |wanted: &str| {
        arch.descendants()
            .any(|node| node.has_tag_name("machine") && text(node) == wanted)
    };
    let machine = ["q35", "virt"]
        .into_iter()
        .find(|wanted| has_machine(wanted));
    Ok(Platform {
        uuid: descend(root, &["host", "uuid"]).and_then(|node| text(node).parse().ok()),
        arch: arch.attribute("name").unwrap_or(&host_arch).to_owned(),
        virt_type: virt_type.to_owned(),
        machine: machine.map(str::to_owned),
        has_cpu_models: virt_type != "test",
        cpu_model: host_cpu
            .and_then(|cpu| child(cpu, "model"))
            .map(text)
            .unwrap_or_default(),
    })
}

/// The host's CPU as baseline and comparison take it: what `host-model` stands for in `<domainCapabilities>`.
pub(crate) fn host_model(xml: &str) -> Result<Option<String>, Trouble> {
    let document = super::parse(xml)?;
    let Some(mode) = child(document.root_element(), "cpu").and_then(|cpu| {
        cpu.children().find(|mode| {
            mode.has_tag_name("mode")
                && mode.attribute("name") == Some("host-model")
                && mode.attribute("supported") == Some("yes")
        })
    }) else {
        return Ok(None);
    };
    let mut w = Writer::new();
    w.element("cpu", |w| {
        for part in mode.children().filter(roxmltree::Node::is_element) {
            w.element(part.tag_name().name(), |w| {
                for attribute in part.attributes() {
                    w.attribute(attribute.name(), attribute.value());
                }
                if let Some(text) = part.text() {
                    w.text(text);
                }
            });
        }
    });
    w.finish().map(Some).map_err(Trouble::from)
}

/// The processor's name as the firmware gives it, from `<sysinfo>`.
pub(crate) fn processor_name(sysinfo: &str) -> Option<String> {
    let document = super::parse(sysinfo).ok()?;
    let processor = child(document.root_element(), "processor")?;
    let version = processor
        .children()
        .find(|entry| entry.attribute("name") == Some("version"))?;
    Some(text(version).trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "<capabilities><host><cpu><arch>x86_64</arch><model>Skylake-Client</model></cpu></host>\
        <guest><os_type>hvm</os_type><arch name='i686'><domain type='qemu'/></arch></guest>\
        <guest><os_type>hvm</os_type><arch name='x86_64'><machine>pc-q35-10.0</machine>\
        <machine canonical='pc-q35-10.0'>q35</machine><domain type='qemu'/><domain type='kvm'/></arch></guest></capabilities>";

    #[test]
    fn prefers_kvm_of_the_hosts_own_architecture() {
        let platform = read_capabilities(HOST).unwrap();
        assert_eq!(platform.arch, "x86_64");
        assert!(platform.kvm());
        assert_eq!(platform.machine.as_deref(), Some("q35"));
        assert_eq!(platform.cpu_model, "Skylake-Client");
        let without = read_capabilities(&HOST.replace("<domain type='kvm'/>", "")).unwrap();
        assert_eq!(without.virt_type, "qemu");
        assert!(read_capabilities("<capabilities/>").is_err());
    }

    #[test]
    fn host_model_becomes_a_cpu() {
        let xml = "<domainCapabilities><cpu><mode name='host-passthrough' supported='yes'/>\
            <mode name='host-model' supported='yes'><model fallback='forbid'>Skylake</model><vendor>Intel</vendor>\
            <feature policy='require' name='ss'/></mode></cpu></domainCapabilities>";
        insta::assert_snapshot!(host_model(xml).unwrap().unwrap(), @r#"
        <cpu>
          <model fallback="forbid">Skylake</model>
          <vendor>Intel</vendor>
          <feature policy="require" name="ss"/>
        </cpu>
        "#);
        assert_eq!(host_model("<domainCapabilities/>").unwrap(), None);
    }
}
