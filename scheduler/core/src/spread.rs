//! Selection of clusters under spread constraints.

use crate::{
    candidates::{Candidate, Feasible, preference},
    compile::{Bounds, CompiledPlacement, Spread},
    decision::RegionTrace,
    region,
};

/// Selects the clusters that replicas are assigned to, in order.
///
/// `needed` is what they must have room for together; none means that room does not matter.
pub(crate) fn select(
    feasible: &Feasible<'_>,
    placement: &CompiledPlacement,
    needed: Option<i64>,
    trace: &mut Vec<RegionTrace>,
) -> Result<Vec<Candidate>, String> {
    match placement.spread {
        Spread::All => Ok(feasible.iter().collect()),
        Spread::Clusters(bounds) => by_cluster(feasible, bounds, needed),
        Spread::Regions { regions, clusters } => region::by_region(feasible, placement, regions, clusters, trace),
        Spread::Unsupported => Err("just support cluster and region spread constraint".to_owned()),
    }
}

fn by_cluster(feasible: &Feasible<'_>, bounds: Bounds, needed: Option<i64>) -> Result<Vec<Candidate>, String> {
    let total = feasible.len();
    if (total as i64) < bounds.min {
        return Err("the number of feasible clusters is less than spreadConstraint.MinGroups".to_owned());
    }
    let count = usize::try_from(bounds.max.max(0)).map_or(total, |max| max.min(total));
    let mut chosen: Vec<Candidate> = feasible.iter().take(count).collect();
    let Some(needed) = needed else {
        return Ok(chosen);
    };
    if room(&chosen) < needed {
        let mut rest: Vec<Candidate> = feasible.iter().skip(count).collect();
        exchange(&mut chosen, &mut rest, needed);
    }
    if chosen.is_empty() || room(&chosen) < needed {
        return Err(format!("no enough resource when selecting {count} clusters"));
    }
    Ok(chosen)
}

fn room(candidates: &[Candidate]) -> i64 {
    candidates.iter().map(Candidate::available).fold(0, i64::saturating_add)
}

/// Exchanges the least preferred clusters for the roomiest of the rest until there is room enough.
fn exchange(chosen: &mut [Candidate], rest: &mut [Candidate], needed: i64) {
    for at in (0..chosen.len()).rev() {
        if room(chosen) >= needed {
            return;
        }
        let mut best: Option<usize> = None;
        let mut most = chosen[at].available();
        for (index, candidate) in rest.iter().enumerate() {
            if candidate.available() > most {
                most = candidate.available();
                best = Some(index);
            }
        }
        if let Some(index) = best {
            std::mem::swap(&mut chosen[at], &mut rest[index]);
        }
    }
}

/// Orders candidates by preference.
pub(crate) fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(preference);
}
