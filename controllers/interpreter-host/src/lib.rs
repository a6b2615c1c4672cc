//! The whole resource interpreter of a process: users' customizations and webhooks over what is built in.
//!
//! - [`Host`] follows ResourceInterpreterCustomizations and ResourceInterpreterWebhookConfigurations and keeps the stack of
//!   layers up to date; a change counts for the next question, without a restart;
//! - [`webhook`] asks webhooks with Karmada's protocol.
//!
//! The order is Karmada's: customizations, webhooks, third-party kinds, native kinds. Until the first lists are there, no
//! question may be asked, or a kind would be taken for one that nobody knows: see [`Host::wait_synced`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

mod caller;
pub mod webhook;

use std::sync::{Arc, Weak};

use karmada_api::config::{ResourceInterpreterCustomization, ResourceInterpreterWebhookConfiguration};
use karmada_interpreter::lua::LuaLayer;
use karmada_interpreter::native::Native;
use karmada_interpreter::{Interpreter, Layer, Swap, thirdparty};
use karmada_runtime::Informer;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use webhook::{Hooks, Webhooks};

/// Follows the users' interpreters.
pub struct Host {
    interpreter: Interpreter,
    customizations: Arc<Informer<ResourceInterpreterCustomization>>,
    webhooks: Arc<Informer<ResourceInterpreterWebhookConfiguration>>,
}

impl Host {
    /// Follows them through this client until `shutdown`.
    pub fn start(client: kube::Client, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) -> Self {
        let scripts: Swap<LuaLayer> = Swap::default();
        let hooks: Swap<Hooks> = Swap::default();
        let customizations = Informer::typed(client.clone());
        let webhooks = Informer::typed(client.clone());
        let (layer, of) = (scripts.clone(), Arc::downgrade(&customizations));
        customizations.add_handler(move |_| {
            if let Some(all) = list(&of) {
                layer.replace(LuaLayer::of_customizations(all.iter().map(AsRef::as_ref)));
            }
        });
        let (layer, of) = (hooks.clone(), Arc::downgrade(&webhooks));
        webhooks.add_handler(move |_| {
            if let Some(all) = list(&of) {
                layer.replace(Hooks::of_configurations(all.iter().map(AsRef::as_ref)));
            }
        });
        let (running, stop) = (Arc::clone(&customizations), shutdown.clone());
        tasks.spawn(async move { running.run(stop).await });
        let (running, stop) = (Arc::clone(&webhooks), shutdown.clone());
        tasks.spawn(async move { running.run(stop).await });
        let layers: [Arc<dyn Layer>; 4] = [
            Arc::new(scripts),
            Arc::new(Webhooks::new(hooks, client)),
            Arc::new(thirdparty::layer()),
            Arc::new(Native),
        ];
        Self { interpreter: Interpreter::new(layers), customizations, webhooks }
    }

    /// The interpreter, which follows every change.
    pub fn interpreter(&self) -> Interpreter {
        self.interpreter.clone()
    }

    /// Waits until the users' interpreters are known.
    pub async fn wait_synced(&self) {
        self.customizations.wait_synced().await;
        self.webhooks.wait_synced().await;
    }
}

fn list<T: Send + Sync + 'static>(informer: &Weak<Informer<T>>) -> Option<Vec<Arc<T>>> {
    Some(informer.upgrade()?.list().into_iter().map(|(_, object)| object).collect())
}
