//! Alerts on pages and in REST: shown to administrators, silenced by either, and the marks in the policy.

use crate::site::{Site, ask, config, get, post};
use bellwether_model::{
    IncidentId,
    alert::{About, AlertKey, Incident, News, Rule},
    vm::Vm,
};
use bellwether_store::NewNotice;
use serde_json::json;

impl Site {
    /// An alert about the VM that stays open.
    pub async fn alert(&self, vm: &Vm) -> IncidentId {
        let incident = Incident {
            id: IncidentId::new(),
            key: AlertKey::new(Rule::VmContention, About::Vm, vm.id),
            name: vm.name.clone(),
            owner: Some(vm.owner),
            text: "40 % of their time its vCPUs wait.".into(),
            opened_at: self.engine.now(),
            resolved_at: None,
            ending: None,
            silenced_until: None,
            told: true,
        };
        let mut tx = self.engine.store().begin().await.unwrap();
        tx.open_incident(&incident).await.unwrap();
        tx.add_notice(&NewNotice {
            incident: incident.id,
            news: News::Opened,
            target: "webhook test".into(),
            made_at: incident.opened_at,
        })
        .await
        .unwrap();
        tx.commit().await.unwrap();
        incident.id
    }
}

#[tokio::test]
async fn what_is_open_is_shown_where_one_looks_and_can_be_silenced() {
    let mut site = Site::bare(config("")).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let root = (*site.admin().await).clone();
    let vm = site.vm(&ada, &image, "web").await;
    let page = async |actor: &bellwether_engine::Actor, path: &str| {
        let token = site.token(actor).await;
        let asked = get(path).header("accept", "text/html").token(&token);
        let answer = site.send(asked).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    };
    let empty = page(&root, "/alerts").await;
    assert!(empty.contains("Nothing is wrong that is watched for."));
    assert!(empty.contains("Nobody but who looks here"));
    let id = site.alert(&vm).await;
    let shown = page(&root, "/alerts").await;
    for words in [
        "40 % of their time its vCPUs wait.",
        "webhook test",
        "1<span class=\"sr\"> waiting</span>",
        "<td class=\"wide-only\">",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let of_it = format!("/vms/{}", vm.id);
    assert!(page(&root, &of_it).await.contains("Open alerts"));
    assert!(
        page(&ada, &of_it).await.contains("its vCPUs wait"),
        "its owner sees it"
    );
    let silence = async |minutes: &str| {
        let token = site.token(&root).await;
        let asked = ask("POST", &format!("/alerts/{id}/silence")).header("accept", "text/html");
        let form = format!("minutes={minutes}");
        let asked = asked.text("application/x-www-form-urlencoded", &form);
        site.send(asked.token(&token)).await
    };
    assert_eq!(silence("60").await.status, 303);
    let shown = page(&root, "/alerts").await;
    assert!(shown.contains("Tell again"), "{shown}");
    assert!(
        !shown.contains("1<span class=\"sr\"> waiting</span>"),
        "what is silent waits for nobody"
    );
    assert_eq!(silence("0").await.status, 303);
    assert!(!page(&root, "/alerts").await.contains("Tell again"));
    // What can't be is said on the page, and by REST.
    let refused = silence("43201").await;
    assert_eq!(
        (refused.status, refused.header("location")),
        (303, "/alerts")
    );
    let token = site.token(&root).await;
    let path = format!("/api/v1/alerts/{id}/silence");
    let asked = post(&path, json!({"minutes": 43_201})).token(&token);
    assert_eq!(
        site.send(asked).await.problem(422)["errors"][0]["field"],
        "minutes"
    );
    let asked = post(&path, json!({"minutes": 30})).token(&token);
    let silent = site.send(asked).await.json();
    assert!(silent["silenced_until"].is_string(), "{silent}");
    let list = site
        .send(get("/api/v1/alerts?open=true&rule=vm_contention").token(&token))
        .await
        .json();
    assert_eq!(list["total"], 1);
    assert_eq!(list["items"][0]["owner"]["name"], "ada");
    let none = site
        .send(get("/api/v1/alerts?open=false").token(&token))
        .await
        .json();
    assert_eq!(none["items"], json!([]));
    let told = get(&format!("/api/v1/alerts/{id}")).token(&token);
    let told = site.send(told).await.json();
    assert_eq!(told["notices"][0]["delivery"], "waiting");
    let metrics = site.send(get("/metrics").token(&token)).await.body;
    for line in [
        "bellwether_alerts{rule=\"vm_contention\",severity=\"warning\"} 1",
        "bellwether_alerts{rule=\"host_stale\",severity=\"critical\"} 0",
        "bellwether_alert_notices{target=\"webhook test\",delivery=\"waiting\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[tokio::test]
async fn the_marks_are_policy() {
    let site = Site::bare(config("")).await;
    let root = (*site.admin().await).clone();
    let token = site.token(&root).await;
    let mut policy = site.send(get("/api/v1/policy").token(&token)).await.json();
    policy["alerts"]["host_cpu_percent"] = 101.into();
    let refused = ask("PUT", "/api/v1/policy")
        .json(policy.clone())
        .token(&token);
    let refused = site.send(refused).await.problem(422);
    assert_eq!(refused["errors"][0]["field"], "alerts.host_cpu_percent");
    policy["alerts"]["host_cpu_percent"] = 80.into();
    policy["alerts"]["off"] = json!(["vm_memory"]);
    let set = ask("PUT", "/api/v1/policy").json(policy).token(&token);
    let set = site.send(set).await.json();
    assert_eq!(set["alerts"]["host_cpu_percent"], 80);
    let form = site
        .send(get("/policy").header("accept", "text/html").token(&token))
        .await
        .body;
    assert!(form.contains("name=\"watch.host_cpu\" value=\"on\" checked"));
    assert!(form.contains("name=\"watch.vm_memory\" value=\"on\""));
    assert!(!form.contains("name=\"watch.vm_memory\" value=\"on\" checked"));
}
