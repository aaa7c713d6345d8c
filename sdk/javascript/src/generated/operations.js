// Generated from wit/ by `cargo xtask sdk`; do not edit.

import { checkedKind, dimensions, integer, integers, isNumber, optionalScalar, real, scalar } from "../arguments.js";
import { TensorHandle, computed } from "../handle.js";

/** What tensors compute. `operations.d.ts` documents the methods. */
export class Operations extends TensorHandle {
    share() {
        return computed(this, (self) => self.share());
    }

    detach() {
        return computed(this, (self) => self.detach());
    }

    to(kind) {
        return computed(this, (self) => self.toKind(checkedKind(kind)));
    }

    select(dim, index) {
        return computed(this, (self) => self.select(integer(dim), integer(index)));
    }

    narrow(dim, start, length) {
        return computed(this, (self) => self.narrow(integer(dim), integer(start), integer(length)));
    }

    reshape(shape) {
        return computed(this, (self) => self.reshape(integers(shape)));
    }

    permute(dims) {
        return computed(this, (self) => self.permute(integers(dims)));
    }

    transpose(first, second) {
        return computed(this, (self) => self.transpose(integer(first), integer(second)));
    }

    squeeze(dim) {
        return computed(this, (self) => self.squeeze(integer(dim)));
    }

    unsqueeze(dim) {
        return computed(this, (self) => self.unsqueeze(integer(dim)));
    }

    expand(shape) {
        return computed(this, (self) => self.expand(integers(shape)));
    }

    flatten(first = 0, last = -1) {
        return computed(this, (self) => self.flatten(integer(first), integer(last)));
    }

    add(other) {
        return computed(this, (self) =>
            isNumber(other) ? self.addScalar(scalar(other)) : self.add(Operations.handle(other)),
        );
    }

    sub(other) {
        return computed(this, (self) =>
            isNumber(other) ? self.subScalar(scalar(other)) : self.sub(Operations.handle(other)),
        );
    }

    mul(other) {
        return computed(this, (self) =>
            isNumber(other) ? self.mulScalar(scalar(other)) : self.mul(Operations.handle(other)),
        );
    }

    div(other) {
        return computed(this, (self) =>
            isNumber(other) ? self.divScalar(scalar(other)) : self.div(Operations.handle(other)),
        );
    }

    maximum(other) {
        return computed(this, (self) => self.maximum(Operations.handle(other)));
    }

    minimum(other) {
        return computed(this, (self) => self.minimum(Operations.handle(other)));
    }

    pow(exponent) {
        return computed(this, (self) => self.powScalar(scalar(exponent)));
    }

    clamp(min = undefined, max = undefined) {
        return computed(this, (self) => self.clamp(optionalScalar(min), optionalScalar(max)));
    }

    neg() {
        return computed(this, (self) => self.neg());
    }

    abs() {
        return computed(this, (self) => self.abs());
    }

    exp() {
        return computed(this, (self) => self.exp());
    }

    log() {
        return computed(this, (self) => self.log());
    }

    sqrt() {
        return computed(this, (self) => self.sqrt());
    }

    tanh() {
        return computed(this, (self) => self.tanh());
    }

    sigmoid() {
        return computed(this, (self) => self.sigmoid());
    }

    relu() {
        return computed(this, (self) => self.relu());
    }

    gelu() {
        return computed(this, (self) => self.gelu());
    }

    eq(other) {
        return computed(this, (self) =>
            isNumber(other) ? self.eqScalar(scalar(other)) : self.eq(Operations.handle(other)),
        );
    }

    ne(other) {
        return computed(this, (self) =>
            isNumber(other) ? self.neScalar(scalar(other)) : self.ne(Operations.handle(other)),
        );
    }

    lt(other) {
        return computed(this, (self) =>
            isNumber(other) ? self.ltScalar(scalar(other)) : self.lt(Operations.handle(other)),
        );
    }

    le(other) {
        return computed(this, (self) =>
            isNumber(other) ? self.leScalar(scalar(other)) : self.le(Operations.handle(other)),
        );
    }

    gt(other) {
        return computed(this, (self) =>
            isNumber(other) ? self.gtScalar(scalar(other)) : self.gt(Operations.handle(other)),
        );
    }

    ge(other) {
        return computed(this, (self) =>
            isNumber(other) ? self.geScalar(scalar(other)) : self.ge(Operations.handle(other)),
        );
    }

    logicalAnd(other) {
        return computed(this, (self) => self.logicalAnd(Operations.handle(other)));
    }

    logicalOr(other) {
        return computed(this, (self) => self.logicalOr(Operations.handle(other)));
    }

    logicalNot() {
        return computed(this, (self) => self.logicalNot());
    }

    where(condition, other) {
        return computed(this, (self) => self.where(Operations.handle(condition), Operations.handle(other)));
    }

    sum(dim = undefined, keepdim = false) {
        return computed(this, (self) => self.sum(dimensions(dim), Boolean(keepdim)));
    }

    mean(dim = undefined, keepdim = false) {
        return computed(this, (self) => self.mean(dimensions(dim), Boolean(keepdim)));
    }

    logsumexp(dim = undefined, keepdim = false) {
        return computed(this, (self) => self.logsumexp(dimensions(dim), Boolean(keepdim)));
    }

    max(dim = undefined, keepdim = false) {
        return computed(this, (self) => self.max(dimensions(dim), Boolean(keepdim)));
    }

    min(dim = undefined, keepdim = false) {
        return computed(this, (self) => self.min(dimensions(dim), Boolean(keepdim)));
    }

    norm(p = 2, dim = undefined, keepdim = false) {
        return computed(this, (self) => self.norm(real(p), dimensions(dim), Boolean(keepdim)));
    }

    any(dim = undefined, keepdim = false) {
        return computed(this, (self) => self.any(dimensions(dim), Boolean(keepdim)));
    }

    all(dim = undefined, keepdim = false) {
        return computed(this, (self) => self.all(dimensions(dim), Boolean(keepdim)));
    }

    argmax(dim, keepdim = false) {
        return computed(this, (self) => self.argmax(integer(dim), Boolean(keepdim)));
    }

    softmax(dim) {
        return computed(this, (self) => self.softmax(integer(dim)));
    }

    logSoftmax(dim) {
        return computed(this, (self) => self.logSoftmax(integer(dim)));
    }

    matmul(other) {
        return computed(this, (self) => self.matmul(Operations.handle(other)));
    }

    gather(dim, index) {
        return computed(this, (self) => self.gather(integer(dim), Operations.handle(index)));
    }

    indexSelect(dim, index) {
        return computed(this, (self) => self.indexSelect(integer(dim), Operations.handle(index)));
    }

    maskedFill(mask, value) {
        return computed(this, (self) => self.maskedFill(Operations.handle(mask), scalar(value)));
    }

    maskedSelect(mask) {
        return computed(this, (self) => self.maskedSelect(Operations.handle(mask)));
    }
}
