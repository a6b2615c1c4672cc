//! Division of seats by Webster's method (Sainte-Laguë).
//!
//! Seats go one at a time to the party with the greatest votes/(2·seats+1), compared as `f64` because upstream does; a
//! tie goes to the party with fewer seats, then by name, ascending or descending. The seats that certainly fall (every
//! quotient above a common bound is taken before any below it) are given at once, so the cost grows with the parties
//! and not with the seats.

use std::{cmp::Ordering, collections::BinaryHeap};

/// In which order names break a tie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieBreak {
    /// The first name wins.
    Ascending,
    /// The last name wins.
    Descending,
}

impl TieBreak {
    /// The order for a template: descending when the hash of its uid is odd.
    #[must_use]
    pub fn of_uid(uid: &str) -> Self {
        // FNV-1a with 32 bits.
        let hash = uid.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        if uid.is_empty() || hash.is_multiple_of(2) { Self::Ascending } else { Self::Descending }
    }
}

/// A contender: something that orders by name, and its votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party<N> {
    /// Its place in the order of names.
    pub name: N,
    /// Its weight.
    pub votes: i64,
    /// What it has got.
    pub seats: i64,
}

struct Claim<N> {
    quotient: f64,
    seats: i64,
    name: N,
    index: usize,
    tie: TieBreak,
}

impl<N: Ord> Ord for Claim<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.quotient.total_cmp(&other.quotient).then_with(|| other.seats.cmp(&self.seats)).then_with(|| {
            let by_name = other.name.cmp(&self.name);
            match self.tie {
                TieBreak::Ascending => by_name,
                TieBreak::Descending => by_name.reverse(),
            }
        })
    }
}

impl<N: Ord> PartialOrd for Claim<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<N: Ord> PartialEq for Claim<N> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<N: Ord> Eq for Claim<N> {}

#[expect(clippy::cast_precision_loss, reason = "quotients are compared in f64, as upstream does")]
fn quotient(votes: i64, seats: i64) -> f64 {
    votes as f64 / (2 * seats + 1) as f64
}

/// Gives `seats` to the parties, whose own `seats` must be zero, and leaves them sorted by name.
///
/// Nobody gets anything when all votes are zero.
pub fn allocate<N: Ord + Copy>(seats: i64, parties: &mut [Party<N>], tie: TieBreak) {
    parties.sort_by_key(|party| party.name);
    let total: i128 = parties.iter().map(|party| i128::from(party.votes.max(0))).sum();
    if total == 0 || seats <= 0 {
        return;
    }
    let mut left = seats - certain(seats, total, parties);
    if left == 0 {
        return;
    }
    let mut claims: BinaryHeap<Claim<N>> = parties
        .iter()
        .enumerate()
        .map(|(index, party)| Claim {
            quotient: quotient(party.votes, party.seats),
            seats: party.seats,
            name: party.name,
            index,
            tie,
        })
        .collect();
    while left > 0 {
        let Some(mut best) = claims.peek_mut() else {
            return;
        };
        let party = &mut parties[best.index];
        party.seats += 1;
        best.seats = party.seats;
        best.quotient = quotient(party.votes, party.seats);
        left -= 1;
    }
}

/// Gives the seats whose quotient reaches a bound that no more than `seats` quotients reach, and counts them.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "an estimate that is corrected with the exact comparison"
)]
fn certain<N: Ord + Copy>(seats: i64, total: i128, parties: &mut [Party<N>]) -> i64 {
    if seats <= parties.len() as i64 {
        return 0;
    }
    let mut bound = total as f64 / (2.0 * seats as f64);
    for _ in 0..8 {
        let mut given: i64 = 0;
        for party in parties.iter_mut() {
            let estimate = ((party.votes as f64 / bound + 1.0) / 2.0).floor() as i64;
            let mut count = estimate.clamp(0, seats);
            while count > 0 && quotient(party.votes, count - 1) < bound {
                count -= 1;
            }
            while count < seats && quotient(party.votes, count) >= bound {
                count += 1;
            }
            party.seats = count;
            given = given.saturating_add(count);
        }
        if given <= seats {
            return given;
        }
        // A greater bound yields fewer seats; the overshoot is at most half a seat a party.
        bound *= 1.0 + (given - seats) as f64 / seats as f64 + f64::EPSILON * 4.0;
    }
    for party in parties.iter_mut() {
        party.seats = 0;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(seats: i64, votes: &[i64], tie: TieBreak) -> Vec<i64> {
        let mut parties: Vec<_> =
            votes.iter().enumerate().map(|(name, votes)| Party { name, votes: *votes, seats: 0 }).collect();
        allocate(seats, &mut parties, tie);
        parties.iter().map(|party| party.seats).collect()
    }

    /// The definition, one seat at a time.
    fn one_by_one(seats: i64, votes: &[i64], tie: TieBreak) -> Vec<i64> {
        let mut got = vec![0; votes.len()];
        if votes.iter().sum::<i64>() == 0 {
            return got;
        }
        for _ in 0..seats {
            let mut best = 0;
            for at in 1..votes.len() {
                let (a, b) = (quotient(votes[at], got[at]), quotient(votes[best], got[best]));
                let wins = a > b
                    || (a - b).abs() == 0.0
                        && (got[at] < got[best] || got[at] == got[best] && tie == TieBreak::Descending);
                if wins {
                    best = at;
                }
            }
            got[best] += 1;
        }
        got
    }

    #[test]
    fn ties_follow_the_uid() {
        assert_eq!(run(7, &[10, 10, 10, 10, 10], TieBreak::Ascending), [2, 2, 1, 1, 1]);
        assert_eq!(run(7, &[10, 10, 10, 10, 10], TieBreak::Descending), [1, 1, 1, 2, 2]);
        assert_eq!(run(5, &[0, 0], TieBreak::Ascending), [0, 0]);
        assert_eq!(TieBreak::of_uid(""), TieBreak::Ascending);
    }

    proptest! {
        #[test]
        fn equals_the_definition(
            seats in 0_i64..3000,
            votes in prop::collection::vec(prop_oneof![0_i64..5, 0_i64..1000, 1_i64..2_000_000], 1..20),
            descending: bool,
        ) {
            let tie = if descending { TieBreak::Descending } else { TieBreak::Ascending };
            let got = run(seats, &votes, tie);
            prop_assert_eq!(&got, &one_by_one(seats, &votes, tie));
            let expected = if votes.iter().sum::<i64>() == 0 { 0 } else { seats };
            prop_assert_eq!(got.iter().sum::<i64>(), expected);
        }
    }
}
