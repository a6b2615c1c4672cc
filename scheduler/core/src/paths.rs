//! The best combination of regions.
//!
//! Upstream walks all combinations depth first, with indices increasing. A combination that satisfies the constraints is
//! a *path*, and is not extended. The best path by weight (the sum of scores), then by number of clusters, then by
//! discovery wins; and if leaving out its regions of least score yields a path as well, the shortest such path.
//!
//! There are exponentially many combinations. Up to a few regions they are walked; beyond that the same path is found by
//! dynamic programming over (next region, regions taken, clusters taken), which is exact: weights and clusters add up,
//! and discovery order is the lexicographic order of indices.

use std::cmp::Reverse;

use fixedbitset::FixedBitSet;

use crate::compile::Bounds;

/// Up to so many regions, walking is cheaper.
const WALK: usize = 8;

/// States of the dynamic program, at most: some tens of milliseconds. Beyond it (hundreds of regions with bounds in the
/// hundreds) combinations are walked for as many steps, and the best one found by then is taken.
const MAX_STATES: usize = 20_000_000;

/// A region, as far as the search looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) score: i64,
    pub(crate) clusters: i64,
    /// Place in the order of names.
    pub(crate) name: usize,
}

/// The indices of the best path, by descending score, then by name; `groups` are in the order in which upstream sorts
/// regions: by number of clusters, then by descending score, then by name.
pub(crate) fn best(groups: &[Group], regions: Bounds, min_clusters: i64) -> Vec<usize> {
    let search = Search { groups, regions, min_clusters };
    let most = usize::try_from(regions.max.max(0)).map_or(groups.len(), |max| max.min(groups.len()));
    let states = (groups.len() + 1)
        .saturating_mul(most + 1)
        .saturating_mul(usize::try_from(min_clusters.max(0)).unwrap_or(usize::MAX).saturating_add(1));
    let path = if groups.len() <= WALK || groups.len() as i64 == regions.min || states > MAX_STATES {
        search.walk()
    } else {
        search.solve(most)
    };
    path.map(|path| search.shorten(search.by_score(path))).unwrap_or_default()
}

struct Search<'a> {
    groups: &'a [Group],
    regions: Bounds,
    min_clusters: i64,
}

/// A walk in progress.
#[derive(Default)]
struct Walk {
    stack: Vec<usize>,
    best: Option<(i64, i64, Vec<usize>)>,
    steps: usize,
}

impl Search<'_> {
    fn satisfied(&self, taken: i64, clusters: i64) -> bool {
        clusters >= self.min_clusters && taken >= self.regions.min && taken <= self.regions.max
    }

    fn walk(&self) -> Option<Vec<usize>> {
        let mut walk = Walk::default();
        self.descend(&mut walk, 0, 0);
        walk.best.map(|(_, _, path)| path)
    }

    fn descend(&self, walk: &mut Walk, clusters: i64, begin: usize) {
        let taken = walk.stack.len() as i64;
        if self.satisfied(taken, clusters) {
            let weight = walk.stack.iter().map(|index| self.groups[*index].score).sum();
            let count = walk.stack.iter().map(|index| self.groups[*index].clusters).sum();
            if walk.best.as_ref().is_none_or(|best| (best.0, best.1) < (weight, count)) {
                walk.best = Some((weight, count, walk.stack.clone()));
            }
            return;
        }
        if taken >= self.regions.max {
            return;
        }
        let mut sum = clusters;
        for index in begin..self.groups.len() {
            walk.steps += 1;
            if walk.steps > MAX_STATES {
                return;
            }
            sum += self.groups[index].clusters;
            walk.stack.push(index);
            self.descend(walk, sum, index + 1);
            // With as many regions as are needed only the full list can do; upstream leaves the search as it stands.
            if self.groups.len() as i64 == self.regions.min {
                break;
            }
            sum -= self.groups[index].clusters;
            walk.stack.pop();
        }
    }

    /// The same by dynamic programming, from the last region to the first.
    fn solve(&self, most: usize) -> Option<Vec<usize>> {
        let cap = usize::try_from(self.min_clusters.max(0)).unwrap_or(0);
        let width = cap + 1;
        let layer = (most + 1) * width;
        let at = |taken: usize, clusters: usize| taken * width + clusters;
        let more = |clusters: usize, index: usize| {
            usize::try_from(self.groups[index].clusters).map_or(cap, |size| (clusters + size).min(cap))
        };
        let done = |taken: usize, clusters: usize| self.satisfied(taken as i64, clusters as i64);
        let mut takes = FixedBitSet::with_capacity(self.groups.len() * layer);
        let mut later: Vec<Option<(i64, i64)>> = vec![None; layer];
        for taken in 0..=most {
            for clusters in 0..=cap {
                later[at(taken, clusters)] = done(taken, clusters).then_some((0, 0));
            }
        }
        for index in (0..self.groups.len()).rev() {
            let Group { score, clusters: size, .. } = self.groups[index];
            let mut now = vec![None; layer];
            for taken in 0..=most {
                for clusters in 0..=cap {
                    let place = at(taken, clusters);
                    if done(taken, clusters) {
                        now[place] = Some((0, 0));
                        continue;
                    }
                    if taken == most {
                        continue;
                    }
                    let take = later[at(taken + 1, more(clusters, index))]
                        .map(|(weight, count): (i64, i64)| (weight + score, count + size));
                    let skip = later[place];
                    // Taking the earlier region is discovered first, so it wins a tie.
                    if take.is_some() && take >= skip {
                        takes.insert(index * layer + place);
                        now[place] = take;
                    } else {
                        now[place] = skip;
                    }
                }
            }
            later = now;
        }
        later[at(0, 0)]?;
        let (mut path, mut clusters) = (Vec::new(), 0);
        for index in 0..self.groups.len() {
            if done(path.len(), clusters) {
                break;
            }
            if takes.contains(index * layer + at(path.len(), clusters)) {
                path.push(index);
                clusters = more(clusters, index);
            }
        }
        Some(path)
    }

    fn by_score(&self, mut path: Vec<usize>) -> Vec<usize> {
        path.sort_by_key(|index| (Reverse(self.groups[*index].score), self.groups[*index].name));
        path
    }

    /// The shortest beginning of a path that is a path itself.
    fn shorten(&self, path: Vec<usize>) -> Vec<usize> {
        let length = (1..path.len()).find(|length| self.is_path(&path[..*length])).unwrap_or(path.len());
        path[..length].to_vec()
    }

    /// Whether the search records exactly these regions: they satisfy the constraints, and no fewer of them do.
    fn is_path(&self, regions: &[usize]) -> bool {
        let mut order = regions.to_vec();
        order.sort_unstable();
        let mut clusters = 0;
        for (taken, index) in order.iter().enumerate() {
            if self.satisfied(taken as i64, clusters) {
                return false;
            }
            clusters += self.groups[*index].clusters;
        }
        self.satisfied(order.len() as i64, clusters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(mut groups: Vec<Group>) -> Vec<Group> {
        groups.sort_by_key(|group| (group.clusters, Reverse(group.score), group.name));
        groups
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

        #[test]
        fn solving_equals_walking(
            groups in prop::collection::vec((0_i64..4, 1_i64..4), 0..9),
            min in 0_i64..5, more in 0_i64..5, clusters in 0_i64..9,
        ) {
            let groups: Vec<Group> =
                groups.into_iter().enumerate().map(|(name, (score, clusters))| Group { score, clusters, name }).collect();
            let groups = sorted(groups);
            prop_assume!(groups.len() as i64 != min);
            let regions = Bounds { min, max: min + more };
            let search = Search { groups: &groups, regions, min_clusters: clusters };
            let most = usize::try_from(regions.max).unwrap().min(groups.len());
            prop_assert_eq!(search.walk(), search.solve(most));
        }
    }

    #[test]
    fn many_regions_take_no_time() {
        let groups = (0..60).map(|name| Group { score: 7, clusters: 1 + (name as i64 % 3), name }).collect();
        let groups = sorted(groups);
        let chosen = best(&groups, Bounds { min: 20, max: 40 }, 45);
        assert!((20..=40).contains(&chosen.len()));
    }
}
