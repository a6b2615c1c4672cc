//! Writing Works that the control plane makes for itself.

use karmada_api::names;
use karmada_propagation::work::system::{SystemPlan, SystemWork, plan_system_work};
use karmada_runtime::ObjectKey;

use crate::context::Context;
use crate::error::Error;

/// What became of one Work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It was written.
    Yes,
    /// It was as it should be.
    Unchanged,
    /// The one that stands is still being deleted.
    Terminating,
}

/// Creates or updates one Work of the control plane's own.
pub(crate) async fn write(ctx: &Context, work: SystemWork) -> Result<Written, Error> {
    let key = ObjectKey::new(&names::execution_space(&work.cluster), &work.name);
    let existing = ctx.works.get(&key);
    let stored = match plan_system_work(work, existing.as_deref(), &|| uuid::Uuid::new_v4().to_string()) {
        SystemPlan::Unchanged => return Ok(Written::Unchanged),
        SystemPlan::Terminating => return Ok(Written::Terminating),
        SystemPlan::Create(work) => ctx.control.create_value(work.as_ref()).await?,
        SystemPlan::Update(work) => ctx.control.update_typed(work.as_ref(), "").await?,
    };
    ctx.works.observe(&stored);
    Ok(Written::Yes)
}
