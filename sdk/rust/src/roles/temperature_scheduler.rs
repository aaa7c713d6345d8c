use crate::{
    Result, Tensor,
    bindings::brewer::plugin::{loss_inputs, tensor},
};

/// What logits are divided by before the softmax: one number, or one for each row of logits.
#[derive(Debug)]
pub struct Temperature(loss_inputs::Temperature);

impl Temperature {
    pub(crate) fn from_handle(handle: loss_inputs::Temperature) -> Self {
        Self(handle)
    }

    /// One number for all rows, above 0.
    pub fn scalar(value: f64) -> Self {
        Self(loss_inputs::Temperature::new(value))
    }

    /// One for each row: for logits `[rows, classes]` a floating-point tensor `[rows]`, all above 0.
    pub fn per_example(values: &Tensor) -> Result<Self> {
        Ok(Self(loss_inputs::Temperature::per_example(values.handle())?))
    }

    /// The number; `None` if there is one for each row.
    pub fn value(&self) -> Option<f64> {
        self.0.value()
    }

    /// One for each row, `[rows]`; a scalar tensor if it is one number.
    pub fn values(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.0.values()?))
    }

    /// The logits `[rows, classes]` divided by the temperature, whichever of both it is.
    pub fn soften(&self, logits: &Tensor) -> Result<Tensor> {
        Ok(Tensor::new(self.0.soften(logits.handle())?))
    }
}

/// Makes a function the plugin's temperature scheduler: `fn(&Tensor, &Tensor, f64) -> Result<Temperature>`.
///
/// It gets the logits of student and teacher, of one shape `[rows, classes]` and without gradients, and the experiment's
/// `temperature`.
///
/// ```
/// use brewer_sdk::prelude::*;
///
/// /// The less sure the teacher is of an example, the lower its temperature.
/// fn choose(_student: &Tensor, teacher: &Tensor, base: f64) -> Result<Temperature> {
///     let confidence = teacher.softmax(-1)?.max(&[-1], false)?;
///     Temperature::per_example(&(confidence * base))
/// }
///
/// brewer_sdk::export_temperature_scheduler!(choose);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_temperature_scheduler {
    ($choose:path) => {
        const _: () = {
            use $crate::bindings::{
                brewer::plugin::{loss_inputs, tensor},
                temperature_scheduler::exports::brewer::plugin::temperature_scheduler::Guest,
            };

            struct Component;

            impl Guest for Component {
                fn choose(
                    student: tensor::Tensor,
                    teacher: tensor::Tensor,
                    base: f64,
                ) -> ::std::result::Result<loss_inputs::Temperature, ::std::string::String> {
                    $crate::run_temperature_scheduler($choose, student, teacher, base)
                }
            }

            $crate::bindings::temperature_scheduler::export_temperature_scheduler_component!(
                Component with_types_in $crate::bindings::temperature_scheduler
            );
        };
    };
}

/// Calls a temperature scheduler with what the host passed.
/// [`export_temperature_scheduler!`](crate::export_temperature_scheduler) calls it.
#[doc(hidden)]
pub fn run_temperature_scheduler(
    choose: fn(&Tensor, &Tensor, f64) -> Result<Temperature>,
    student: tensor::Tensor,
    teacher: tensor::Tensor,
    base: f64,
) -> std::result::Result<loss_inputs::Temperature, String> {
    super::run(|| choose(&Tensor::new(student), &Tensor::new(teacher), base).map(|chosen| chosen.0))
}
