//! The surer the teacher is of an example, the higher its temperature.

use brewer_sdk::prelude::*;

fn choose(_student: &Tensor, teacher: &Tensor, base: f64) -> Result<Temperature> {
    let confidence = teacher.softmax(-1)?.max(&[-1], false)?;
    Temperature::per_example(&(confidence * base))
}

brewer_sdk::export_temperature_scheduler!(choose);
