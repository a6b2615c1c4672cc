//! Selection of regions, and of clusters in them.
//!
//! Regions are scored by what their clusters have room for, and [`paths`] finds the best combination of them.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    candidates::{Candidate, Feasible},
    compile::{Bounds, CompiledPlacement},
    decision::RegionTrace,
    paths,
    spread::sort,
};

/// A replica more or less outweighs any score.
const REPLICA_WEIGHT: i64 = 1000;

/// A region with its feasible clusters in the order of preference.
struct Region<'a> {
    name: &'a str,
    score: i64,
    clusters: Vec<Candidate>,
}

pub(crate) fn by_region(
    feasible: &Feasible<'_>,
    placement: &CompiledPlacement,
    regions: Bounds,
    clusters: Bounds,
    trace: &mut Vec<RegionTrace>,
) -> Result<Vec<Candidate>, String> {
    let groups = group(feasible, placement, regions, clusters);
    if (groups.len() as i64) < regions.min {
        return Err("the number of feasible region is less than spreadConstraint.MinGroups".to_owned());
    }
    let chosen = choose(&groups, regions, clusters.min);
    *trace = groups
        .iter()
        .enumerate()
        .map(|(index, region)| RegionTrace {
            name: region.name.to_owned(),
            score: region.score,
            clusters: region.clusters.len(),
            chosen: chosen.contains(&index),
        })
        .collect();
    if chosen.is_empty() {
        return Err("the number of clusters is less than the cluster spreadConstraint.MinGroups".to_owned());
    }
    let mut picked = Vec::new();
    let mut rest = Vec::new();
    for index in chosen {
        let [first, others @ ..] = &groups[index].clusters[..] else {
            continue;
        };
        picked.push(*first);
        rest.extend_from_slice(others);
    }
    let wanted = (picked.len() + rest.len()).min(usize::try_from(clusters.max.max(0)).unwrap_or(usize::MAX));
    if wanted > picked.len() {
        sort(&mut rest);
        rest.truncate(wanted - picked.len());
        picked.append(&mut rest);
    }
    Ok(picked)
}

/// The regions, sorted by number of clusters, then descending score, then name.
fn group<'a>(
    feasible: &'a Feasible<'_>,
    placement: &CompiledPlacement,
    regions: Bounds,
    clusters: Bounds,
) -> Vec<Region<'a>> {
    let mut by_name: BTreeMap<&str, Vec<Candidate>> = BTreeMap::new();
    for candidate in feasible.iter() {
        let region = feasible.snapshot.facts(candidate.slot).cluster.spec.region.as_str();
        if !region.is_empty() {
            by_name.entry(region).or_default().push(candidate);
        }
    }
    let replicas = i64::from(feasible.binding.spec.replicas);
    let mut groups: Vec<Region<'a>> = by_name
        .into_iter()
        .map(|(name, members)| Region {
            name,
            score: if placement.is_duplicated() {
                score_duplicated(&members, replicas)
            } else {
                score_divided(&members, replicas, regions.min, clusters.min)
            },
            clusters: members,
        })
        .collect();
    groups.sort_by_key(|region| (region.clusters.len(), Reverse(region.score), region.name));
    groups
}

fn score_duplicated(members: &[Candidate], replicas: i64) -> i64 {
    let roomy = members.iter().filter(|candidate| candidate.available() >= replicas);
    let (count, score) = roomy.fold((0, 0), |(count, score), candidate| (count + 1, score + candidate.score));
    if count == 0 { 0 } else { count * REPLICA_WEIGHT + score / count }
}

fn score_divided(members: &[Candidate], replicas: i64, regions: i64, clusters: i64) -> i64 {
    let Some(target) = per_region(replicas, regions) else {
        // Without a minimum of regions there is no share per region, and only the scores of the first clusters count.
        let count = usize::try_from(clusters.max(regions).max(1)).unwrap_or(1).min(members.len());
        return members[..count].iter().map(|candidate| candidate.score).sum::<i64>() / count as i64;
    };
    let enough = clusters.max(regions);
    let (mut room, mut score, mut count) = (0_i64, 0_i64, 0_i64);
    for candidate in members {
        room = room.saturating_add(candidate.available());
        score += candidate.score;
        count += 1;
        if count >= enough && room >= target {
            break;
        }
    }
    if room < target {
        room.saturating_mul(REPLICA_WEIGHT).saturating_add(score / members.len() as i64)
    } else {
        target.saturating_mul(REPLICA_WEIGHT).saturating_add(score / count)
    }
}

/// The share of a region, rounded up.
fn per_region(replicas: i64, regions: i64) -> Option<i64> {
    (regions > 0).then(|| replicas.div_euclid(regions) + i64::from(replicas.rem_euclid(regions) != 0))
}

/// The indices of the best combination.
fn choose(groups: &[Region<'_>], regions: Bounds, min_clusters: i64) -> Vec<usize> {
    let mut names: Vec<&str> = groups.iter().map(|region| region.name).collect();
    names.sort_unstable();
    let group = |region: &Region<'_>| paths::Group {
        score: region.score,
        clusters: region.clusters.len() as i64,
        name: names.partition_point(|name| *name < region.name),
    };
    let groups: Vec<paths::Group> = groups.iter().map(group).collect();
    paths::best(&groups, regions, min_clusters)
}
