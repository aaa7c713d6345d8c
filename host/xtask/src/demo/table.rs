//! The experiment's table.

use super::experiment::{Measured, Seed};

/// One line a model: parameters, held-out accuracy (over several seeds its mean and standard deviation) and speed.
pub fn render(seeds: &[Seed]) -> String {
    type Pick = fn(&Seed) -> &Measured;
    let models: [(&str, Pick); 3] = [
        ("teacher, 6 layers", |seed| &seed.teacher),
        ("student, 2 layers, labels only", |seed| &seed.labels_only),
        ("student, 2 layers, distilled", |seed| &seed.distilled),
    ];
    let mut lines = vec![format!("  {:<32}{:>12}{:>20}{:>15}", "", "parameters", "held-out accuracy", "sentences/s")];
    for (name, pick) in models {
        let of_model: Vec<&Measured> = seeds.iter().map(pick).collect();
        let accuracies: Vec<f64> = of_model.iter().map(|measured| 100.0 * measured.accuracy).collect();
        let mut rates: Vec<f64> = of_model.iter().map(|measured| measured.examples_per_second).collect();
        rates.sort_by(f64::total_cmp);
        let parameters = format!("{:.1} M", of_model[0].parameters as f64 / 1e6);
        lines.push(format!(
            "  {name:<32}{parameters:>12}{:>20}{:>15.0}",
            accuracy(&accuracies),
            rates[rates.len() / 2]
        ));
    }
    if seeds.len() > 1 {
        lines.push(format!("  mean ± standard deviation over {} seeds; the median of speeds", seeds.len()));
    }
    lines.join("\n")
}

fn accuracy(values: &[f64]) -> String {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    if values.len() == 1 {
        return format!("{mean:.1} %");
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
    format!("{mean:.1} ± {:.1} %", variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_become_a_mean_and_a_deviation() {
        assert_eq!(accuracy(&[81.25]), "81.2 %");
        assert_eq!(accuracy(&[80.0, 82.0, 84.0]), "82.0 ± 2.0 %");
    }
}
