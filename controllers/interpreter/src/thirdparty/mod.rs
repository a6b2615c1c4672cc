//! Built-in interpretations of kinds that are not Kubernetes' own: well-known operators' workloads and sources.
//!
//! They are our own scripts for the same machine that runs users' customizations, so that what users write themselves
//! can do no less; several kinds of one family share a script and differ in its configuration.

use karmada_api::gvk::Gvk;
use std::sync::LazyLock;

use crate::lua::LuaLayer;
use crate::operation::Operation::{
    self, AggregateStatus, InterpretComponent, InterpretDependency, InterpretHealth, InterpretReplica, InterpretStatus,
    Retain, ReviseReplica,
};

/// What a kind's script is made of, and which operations it answers.
struct Kind {
    group_version: &'static str,
    kind: &'static str,
    parts: &'static [&'static str],
    operations: &'static [Operation],
}

const PRELUDE: &str = include_str!("prelude.lua");
const FLUX: &str = include_str!("flux.lua");
const RAY: &str = include_str!("ray.lua");
const KUBEFLOW: &str = include_str!("kubeflow.lua");
const KRUISE: &str = include_str!("kruise.lua");

const SOURCE: &[Operation] = &[InterpretHealth, AggregateStatus, Retain, InterpretStatus, InterpretDependency];
const WORKLOAD: &[Operation] =
    &[InterpretReplica, ReviseReplica, AggregateStatus, InterpretStatus, InterpretHealth, InterpretDependency];
const POLICY: &[Operation] = &[AggregateStatus, InterpretStatus, InterpretHealth];
const DAEMON: &[Operation] = &[AggregateStatus, InterpretStatus, InterpretHealth, InterpretDependency];

const KINDS: &[Kind] = &[
    Kind {
        group_version: "helm.toolkit.fluxcd.io/v2beta1",
        kind: "HelmRelease",
        parts: &[include_str!("helmrelease.lua"), FLUX],
        operations: SOURCE,
    },
    Kind {
        group_version: "kustomize.toolkit.fluxcd.io/v1",
        kind: "Kustomization",
        parts: &[include_str!("kustomization.lua"), FLUX],
        operations: SOURCE,
    },
    Kind {
        group_version: "source.toolkit.fluxcd.io/v1",
        kind: "GitRepository",
        parts: &[include_str!("gitrepository.lua"), FLUX],
        operations: SOURCE,
    },
    Kind {
        group_version: "source.toolkit.fluxcd.io/v1beta2",
        kind: "Bucket",
        parts: &[include_str!("bucket.lua"), FLUX],
        operations: SOURCE,
    },
    Kind {
        group_version: "source.toolkit.fluxcd.io/v1beta2",
        kind: "HelmChart",
        parts: &[include_str!("helmchart.lua"), FLUX],
        operations: SOURCE,
    },
    Kind {
        group_version: "source.toolkit.fluxcd.io/v1beta2",
        kind: "HelmRepository",
        parts: &[include_str!("helmrepository.lua"), FLUX],
        operations: SOURCE,
    },
    Kind {
        group_version: "source.toolkit.fluxcd.io/v1beta2",
        kind: "OCIRepository",
        parts: &[include_str!("ocirepository.lua"), FLUX],
        operations: SOURCE,
    },
    Kind {
        group_version: "apps.kruise.io/v1alpha1",
        kind: "CloneSet",
        parts: &[include_str!("cloneset.lua"), KRUISE],
        operations: WORKLOAD,
    },
    Kind {
        group_version: "apps.kruise.io/v1beta1",
        kind: "StatefulSet",
        parts: &[include_str!("kruise_statefulset.lua"), KRUISE],
        operations: WORKLOAD,
    },
    Kind {
        group_version: "apps.kruise.io/v1alpha1",
        kind: "UnitedDeployment",
        parts: &[include_str!("uniteddeployment.lua"), KRUISE],
        operations: WORKLOAD,
    },
    Kind {
        group_version: "apps.kruise.io/v1alpha1",
        kind: "DaemonSet",
        parts: &[include_str!("kruise_daemonset.lua"), KRUISE],
        operations: DAEMON,
    },
    Kind {
        group_version: "apps.kruise.io/v1alpha1",
        kind: "SidecarSet",
        parts: &[include_str!("sidecarset.lua")],
        operations: &[InterpretReplica, Retain, AggregateStatus, InterpretStatus, InterpretHealth, InterpretDependency],
    },
    Kind {
        group_version: "apps.kruise.io/v1alpha1",
        kind: "BroadcastJob",
        parts: &[include_str!("broadcastjob.lua")],
        operations: &[
            InterpretReplica,
            ReviseReplica,
            Retain,
            AggregateStatus,
            InterpretStatus,
            InterpretHealth,
            InterpretDependency,
        ],
    },
    Kind {
        group_version: "apps.kruise.io/v1alpha1",
        kind: "AdvancedCronJob",
        parts: &[include_str!("advancedcronjob.lua")],
        operations: &[AggregateStatus, InterpretDependency],
    },
    Kind {
        group_version: "kyverno.io/v1",
        kind: "ClusterPolicy",
        parts: &[include_str!("kyverno.lua")],
        operations: POLICY,
    },
    Kind { group_version: "kyverno.io/v1", kind: "Policy", parts: &[include_str!("kyverno.lua")], operations: POLICY },
    Kind {
        group_version: "kubeflow.org/v1",
        kind: "Notebook",
        parts: &[include_str!("notebook.lua")],
        operations: &[InterpretReplica, AggregateStatus, InterpretStatus, InterpretHealth],
    },
    Kind {
        group_version: "argoproj.io/v1alpha1",
        kind: "Workflow",
        parts: &[include_str!("workflow.lua")],
        operations: &[InterpretReplica, ReviseReplica, Retain, InterpretHealth, InterpretDependency],
    },
    Kind {
        group_version: "ray.io/v1",
        kind: "RayCluster",
        parts: &[include_str!("raycluster.lua"), RAY],
        operations: &[InterpretComponent, AggregateStatus, InterpretHealth],
    },
    Kind {
        group_version: "ray.io/v1",
        kind: "RayJob",
        parts: &[include_str!("rayjob.lua"), RAY],
        operations: &[InterpretComponent, AggregateStatus, InterpretHealth, InterpretDependency],
    },
    Kind {
        group_version: "ray.io/v1",
        kind: "RayService",
        parts: &[include_str!("rayservice.lua"), RAY],
        operations: &[InterpretReplica, ReviseReplica, AggregateStatus, InterpretHealth, InterpretDependency],
    },
    Kind {
        group_version: "kubeflow.org/v1",
        kind: "PyTorchJob",
        parts: &[include_str!("pytorchjob.lua"), KUBEFLOW],
        operations: &[InterpretComponent, AggregateStatus, InterpretHealth, InterpretDependency],
    },
    Kind {
        group_version: "kubeflow.org/v1",
        kind: "TFJob",
        parts: &[include_str!("tfjob.lua"), KUBEFLOW],
        operations: &[InterpretComponent, AggregateStatus, InterpretHealth, InterpretDependency],
    },
    Kind {
        group_version: "kubeflow.org/v2beta1",
        kind: "MPIJob",
        parts: &[include_str!("mpijob.lua")],
        operations: &[InterpretComponent, AggregateStatus, InterpretHealth, InterpretStatus],
    },
    Kind {
        group_version: "batch.volcano.sh/v1alpha1",
        kind: "Job",
        parts: &[include_str!("volcanojob.lua")],
        operations: &[InterpretComponent, AggregateStatus, InterpretHealth, InterpretStatus],
    },
    Kind {
        group_version: "flink.apache.org/v1beta1",
        kind: "FlinkDeployment",
        parts: &[include_str!("flinkdeployment.lua")],
        operations: &[InterpretReplica, InterpretComponent, AggregateStatus, InterpretHealth, InterpretStatus],
    },
    Kind {
        group_version: "sparkoperator.k8s.io/v1beta2",
        kind: "SparkApplication",
        parts: &[include_str!("sparkapplication.lua")],
        operations: &[InterpretComponent, AggregateStatus, InterpretHealth, InterpretStatus],
    },
];

static LAYER: LazyLock<LuaLayer> = LazyLock::new(|| {
    let mut layer = LuaLayer::default();
    for Kind { group_version, kind, parts, operations } in KINDS {
        let script = std::iter::once(&PRELUDE).chain(*parts).copied().collect::<Vec<_>>().join("\n");
        for operation in *operations {
            layer.add(Gvk::of(group_version, kind), *operation, &script);
        }
    }
    layer
});

/// The layer of the built-in third-party kinds.
pub fn layer() -> LuaLayer {
    LAYER.clone()
}
