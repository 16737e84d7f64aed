//! Packet loss of a member's keepalives, and the adaptive keepalive interval that follows from it (CL-72 to CL-78).

use super::constants::{Constants, Estimator};

/// What is known of one member's keepalives.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(super) struct Loss {
    last_seq: Option<u64>,
    average: f64,
}

impl Loss {
    /// A keepalive arrived. False: it is no news (H-CL-2).
    pub(super) fn heard(&mut self, seq: u64, constants: &Constants) -> bool {
        let last = self.last_seq;
        if last.is_some_and(|last| seq <= last) {
            return false;
        }
        self.last_seq = Some(seq);
        let Some(last) = last else { return true }; // a new sequence begins, and nothing of it was lost (H-CL-2)
        let gap = (seq - last - 1).min(u64::from(constants.gap_max)) as f64;
        self.average += (gap - self.average) / f64::from(constants.smoothing.max(1));
        true
    }

    /// Sequence number of the last keepalive; 0: none yet.
    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq.unwrap_or(0)
    }

    /// Probability that a keepalive is lost.
    pub(super) fn probability(&self, estimator: Estimator) -> f64 {
        match estimator {
            Estimator::Document => self.average,
            Estimator::Corrected => self.average / (1.0 + self.average),
        }
    }
}

/// The least n in 2..=20 with n·Pⁿ < 1/K; 20 when there is none, and when P ≥ 1 (CL-76, H-CL-1). Both ends can be set.
pub(super) fn interval(probability: f64, constants: &Constants) -> u8 {
    let Constants { n_min, n_max, intervals_per_failure, .. } = *constants;
    let enough = |n: &u8| f64::from(*n) * probability.powi(i32::from(*n)) < 1.0 / intervals_per_failure;
    if probability >= 1.0 { n_max } else { (n_min..n_max).find(enough).unwrap_or(n_max) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSTANTS: Constants = Constants::document();

    fn interval(probability: f64, intervals_per_failure: f64) -> u8 {
        super::interval(probability, &Constants { intervals_per_failure, ..CONSTANTS })
    }

    /// CL-75, CL-76, CL-78, H-CL-3: thresholds of the wire reference: the greatest P, to four digits, for which n is enough.
    #[test]
    fn n_follows_the_table() {
        let week = 3_024_000.0;
        let rows = [
            (2, 0.0118, 0.0004),
            (3, 0.0452, 0.0048),
            (4, 0.0913, 0.0170),
            (5, 0.1409, 0.0367),
            (6, 0.1895, 0.0617),
            (7, 0.2351, 0.0898),
            (8, 0.2771, 0.1194),
            (10, 0.3502, 0.1786),
            (12, 0.4109, 0.2344),
            (15, 0.4836, 0.3087),
            (18, 0.5404, 0.3717),
        ];
        for (n, document, production) in rows {
            for (threshold, k) in [(document, 3600.0), (production, week)] {
                assert!(interval(threshold - 0.0001, k) <= n, "{n} at {threshold}");
                assert!(interval(threshold + 0.0001, k) > n, "{n} at {threshold}");
            }
        }
        assert_eq!((interval(0.0, 3600.0), interval(0.0, week)), (2, 2));
        assert_eq!((interval(0.571, 3600.0), interval(0.58, 3600.0), interval(0.99, week)), (20, 20, 20));
    }

    /// CL-73, CL-74: S is what lies between two numbers, and the average moves by a 128th of it.
    #[test]
    fn the_average_of_gaps() {
        let mut loss = Loss::default();
        assert!(loss.heard(7, &CONSTANTS));
        assert!(loss.heard(8, &CONSTANTS));
        assert_eq!(loss.probability(Estimator::Document), 0.0);
        loss.heard(11, &CONSTANTS); // S = 2
        assert_eq!(loss.probability(Estimator::Document), 2.0 / 128.0);
        loss.heard(12, &CONSTANTS);
        assert_eq!(loss.probability(Estimator::Document), 2.0 / 128.0 * 127.0 / 128.0);
    }

    /// H-CL-1, H-CL-2: gaps are clamped, P ≥ 1 is the fastest interval, what is doubled or late is no news, and the
    /// corrected estimate of a loss of one half is one half where the document's is one.
    #[test]
    fn what_the_document_left_open() {
        let mut loss = Loss::default();
        loss.heard(1, &CONSTANTS);
        loss.heard(1_000_000, &CONSTANTS);
        assert_eq!(loss.probability(Estimator::Document), 0.5, "64 / 128");
        assert!(!loss.heard(1_000_000, &CONSTANTS) && !loss.heard(3, &CONSTANTS));
        assert_eq!(loss.probability(Estimator::Document), 0.5);

        let mut half = Loss::default();
        (0..4000).for_each(|n| assert!(half.heard(2 * n + 1, &CONSTANTS)));
        assert!((half.probability(Estimator::Document) - 1.0).abs() < 0.001);
        assert!((half.probability(Estimator::Corrected) - 0.5).abs() < 0.001);
        assert_eq!(interval(1.0, 3600.0), 20);
    }

    /// CL-74, CL-76, H-CL-1: weight, clamp and range are constants like others.
    #[test]
    fn they_can_be_set() {
        let set = Constants { smoothing: 4, gap_max: 8, n_min: 3, n_max: 5, ..CONSTANTS };
        let mut loss = Loss::default();
        loss.heard(1, &set);
        loss.heard(1_000, &set);
        assert_eq!(loss.probability(Estimator::Document), 2.0, "8 / 4");
        assert_eq!([0.0, 0.05, 0.1, 0.2, 0.9, 1.0].map(|p| super::interval(p, &set)), [3, 4, 5, 5, 5, 5]);
        assert_eq!(super::interval(0.9, &Constants { n_min: 4, n_max: 4, ..CONSTANTS }), 4);
    }
}
