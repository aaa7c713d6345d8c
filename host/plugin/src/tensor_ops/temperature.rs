//! Temperatures: one number, or one for each row of logits.

use brewer::{libtorch::guarded, schedule::temperature::Temperature};
use tch::{Kind, Tensor};
use wasmtime::component::Resource;

use super::{
    checks::{elements, floating},
    cost::{Each, Estimate},
    elementwise::{of_one, of_two},
};
use crate::{
    bindings::loss_inputs,
    error::{OpError, OpResult},
    handles::Entry,
    loss_inputs::share,
    state::State,
};

impl loss_inputs::HostTemperature for State {
    fn new(&mut self, value: f64) -> wasmtime::Result<Resource<Temperature>> {
        self.operation()?;
        Ok(self.handles.insert(&self.limits, Entry::Temperature(Temperature::Scalar(value)))?)
    }

    fn per_example(&mut self, values: Resource<Tensor>) -> OpResult<Resource<Temperature>> {
        self.operation()?;
        let values = self.tensor(&values)?;
        floating(&values)?;
        Ok(self.handles.insert(&self.limits, Entry::Temperature(Temperature::PerExample(values)))?)
    }

    fn value(&mut self, this: Resource<Temperature>) -> wasmtime::Result<Option<f64>> {
        self.operation()?;
        Ok(match self.handles.get(&this)? {
            Temperature::Scalar(value) => Some(*value),
            Temperature::PerExample(_) => None,
        })
    }

    fn values(&mut self, this: Resource<Temperature>) -> OpResult<Resource<Tensor>> {
        self.operation()?;
        match share(self.handles.get(&this)?) {
            Temperature::PerExample(values) => self.hold(values),
            Temperature::Scalar(value) => {
                self.admit(&Estimate::new(1, Kind::Double, Each::SIMPLE))?;
                let options = (Kind::Double, self.call.device);
                self.hold(guarded(|| Tensor::f_full([0i64; 0], value, options))?)
            }
        }
    }

    fn soften(&mut self, this: Resource<Temperature>, logits: Resource<Tensor>) -> OpResult<Resource<Tensor>> {
        self.operation()?;
        let temperature = share(self.handles.get(&this)?);
        let logits = self.tensor(&logits)?;
        floating(&logits)?;
        let estimate = match &temperature {
            Temperature::Scalar(_) => of_one(&logits, Each::QUOTIENT)?,
            Temperature::PerExample(values) => {
                let (rows, shape) = (values.size(), logits.size());
                if shape.split_last().is_none_or(|(_, front)| front != rows) {
                    let expected = "expected one temperature for each row of logits";
                    return Err(OpError::shape(format!(
                        "temperatures of {rows:?} for logits of {shape:?}; {expected}"
                    )));
                }
                of_two(&logits, values, elements(&shape)?, Each::QUOTIENT)?
            }
        };
        self.admit(&estimate)?;
        self.hold(match temperature {
            Temperature::Scalar(value) => guarded(|| logits.f_div_scalar(value))?,
            Temperature::PerExample(values) => logits.f_div(&values.f_unsqueeze(-1)?)?,
        })
    }

    fn drop(&mut self, this: Resource<Temperature>) -> wasmtime::Result<()> {
        self.handles.remove(&this);
        Ok(())
    }
}
