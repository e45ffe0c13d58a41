//! A site where ada has one of everything, for tests that go through every endpoint or page.

use crate::site::{Answer, Ask, Site, ask, config};
use bellwether_api::Method;
use bellwether_engine::Actor;
use bellwether_model::{HostId, image::Image};
use bellwether_store::JobQuery;
use secrecy::SecretString;

/// The names of ada's things; no answer to anybody else may hold one.
pub const MARKERS: &[&str] = &["ada-secret", "Full-ada", "ada@example.org", "\"ada\""];

pub struct World {
    pub site: Site,
    /// What stands for `{id}`, by the noun before it.
    pub ids: Vec<(&'static str, String)>,
    pub ada: Actor,
    pub image: Image,
    pub host: HostId,
    /// Somebody else.
    pub bob: Actor,
    /// An admin.
    pub root: Actor,
}

impl World {
    pub async fn new() -> Self {
        Self::named("").await
    }

    /// The names of ada and of her things end in `end`.
    pub async fn named(end: &str) -> Self {
        let mut site = Site::bare(config("")).await;
        let (image, hosts) = site.furnish().await;
        let root = (*site.admin().await).clone();
        let ada = site.user_called("ada", &format!("Full-ada{end}")).await;
        let bob = site.user("bob").await;
        let request = site
            .requested(&ada, &image, &format!("ada-secret-request{end}"))
            .await;
        let vm = site.vm(&ada, &image, &format!("ada-secret-vm{end}")).await;
        let store = site.engine.store();
        let made = JobQuery {
            vm: Some(vm.id),
            limit: 1,
            ..JobQuery::default()
        };
        let job = store.jobs(made).await.unwrap().remove(0);
        let (_, migration) = site.moves(vm.id).await;
        let storage = store.storages().await.unwrap().remove(0).id.to_string();
        let network = store.networks().await.unwrap().remove(0).id.to_string();
        site.token(&ada).await;
        let token = store.tokens(ada.user).await.unwrap().remove(0).id;
        let alert = site.alert(&vm).await;
        let plan = site.plan(&vm, hosts[0], root.user).await;
        let ids = vec![
            ("alerts", alert.to_string()),
            ("tokens", token.to_string()),
            ("users", ada.user.to_string()),
            ("people", ada.user.to_string()),
            ("requests", request.id.to_string()),
            ("inbox", request.id.to_string()),
            ("vms", vm.id.to_string()),
            ("migrations", migration.id.to_string()),
            ("jobs", job.id.to_string()),
            ("plans", plan.to_string()),
            ("hosts", hosts[0].to_string()),
            ("storages", storage),
            ("networks", network),
            ("images", image.id.to_string()),
        ];
        let world = Self {
            site,
            ids,
            image,
            host: hosts[0],
            ada,
            bob,
            root,
        };
        world.rest().await;
        world
    }

    /// The path with ada's things in it.
    pub fn path(&self, path: &str) -> String {
        let noun = path
            .split("/{id}")
            .next()
            .and_then(|path| path.rsplit('/').next())
            .unwrap_or_default();
        let id = self.ids.iter().find(|(name, _)| *name == noun);
        path.replace("{id}", id.map_or("", |(_, id)| id.as_str()))
            .replace("{version}/{*path}", "dev/icon.svg")
    }

    /// What an endpoint answers this role.
    pub async fn endpoint(&self, route: &bellwether_api::Route, actor: Option<&Actor>) -> Answer {
        let asked = ask(route.method.as_str(), &self.path(route.path));
        // Bodies are empty but where an empty one would be refused before it is known whose the thing is.
        let body = match route.path {
            "/api/v1/vms/{id}/power" => serde_json::json!({"action": "reboot"}),
            "/api/v1/vms/{id}/lease" => serde_json::json!({"until": "2000-01-01"}),
            _ => serde_json::json!({}),
        };
        let asked = match route.method {
            Method::Post | Method::Put | Method::Patch => asked.json(body),
            Method::Get | Method::Delete => asked,
        };
        self.ask_as(asked, actor).await
    }

    /// What a page answers this role's browser; forms are sent empty, as bodies are to endpoints.
    pub async fn page(
        &self,
        page: &bellwether_server::pages::Page,
        actor: Option<&Actor>,
    ) -> Answer {
        let asked = ask(page.method.as_str(), &self.path(page.path)).header("accept", "text/html");
        let form = match page.path {
            "/vms/{id}/power" => "action=reboot",
            _ => "",
        };
        let asked = match page.method {
            Method::Get => asked,
            _ => asked.text("application/x-www-form-urlencoded", form),
        };
        self.ask_as(asked, actor).await
    }

    /// Asks with a token of its own, since some acts end the session; and lets every job that began end.
    async fn ask_as(&self, asked: Ask, actor: Option<&Actor>) -> Answer {
        let acts = !asked.method.is_safe();
        let asked = match actor {
            None => asked,
            Some(actor) => {
                let token: SecretString = self.site.token(actor).await;
                asked.token(&token)
            }
        };
        let answer = self.site.send(asked).await;
        if acts && answer.status < 400 {
            self.rest().await;
        }
        answer
    }

    /// Waits until every job has ended, so that none stands in the way of what comes next.
    async fn rest(&self) {
        self.site
            .until("every job has ended", async |site| {
                let jobs = JobQuery {
                    limit: 100,
                    ..JobQuery::default()
                };
                let jobs = site.engine.store().jobs(jobs).await.unwrap();
                jobs.iter().all(|job| !job.state.is_open())
            })
            .await;
    }
}
