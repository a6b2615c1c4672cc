//! Dividing a number in proportion to votes: Webster's method, also known as Sainte-Laguë.

use karmada_api::names::fnv1a32;

/// Divides `seats` among the parties in proportion to their votes; sorted by name, parties without a seat included.
///
/// Seats are given one at a time to the party with the largest `votes / (2·seats + 1)`. Ties go to the party with fewer
/// seats, then by name: ascending, or descending when the hash of `uid` is odd, so that not every workload favours the
/// same cluster. Without any votes nothing is given.
pub(crate) fn divide(seats: i64, parties: &[(String, i64)], uid: &str) -> Vec<(String, i64)> {
    let mut sorted: Vec<(&str, i64)> = parties.iter().map(|(name, votes)| (name.as_str(), *votes)).collect();
    sorted.sort_unstable();
    let mut given = vec![0_i64; sorted.len()];
    let total: i64 = sorted.iter().map(|(_, votes)| votes.max(&0)).sum();
    let descending = !uid.is_empty() && fnv1a32(uid.as_bytes()) % 2 == 1;
    if total > 0 {
        for _ in 0..seats {
            let best = (0..sorted.len()).max_by(|&left, &right| {
                // The comparison is in floating point, as upstream's is: near-ties round the same way.
                let score = |party: usize| sorted[party].1 as f64 / (2.0 * given[party] as f64 + 1.0);
                let by_name = if descending { left.cmp(&right) } else { right.cmp(&left) };
                score(left).total_cmp(&score(right)).then_with(|| given[right].cmp(&given[left])).then(by_name)
            });
            if let Some(best) = best {
                given[best] += 1;
            }
        }
    }
    sorted.into_iter().zip(given).map(|((name, _), seats)| (name.to_owned(), seats)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_proportional() {
        let parties = [("m1".to_owned(), 1), ("m2".to_owned(), 2)];
        assert_eq!(divide(4, &parties, ""), [("m1".to_owned(), 1), ("m2".to_owned(), 3)]);
        assert_eq!(divide(3, &parties, ""), [("m1".to_owned(), 1), ("m2".to_owned(), 2)]);
        assert_eq!(divide(3, &[("m1".to_owned(), 0)], ""), [("m1".to_owned(), 0)]);
    }
}
