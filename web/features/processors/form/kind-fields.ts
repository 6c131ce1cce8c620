// The fields of the form that only one kind of processor has. Exhaustive by type.
import type { Component } from 'svelte';
import type { ProcessorKind } from '../../../../shared/schemas/processor.ts';
import BatchFields from './BatchFields.svelte';
import type { ProcessorFormState } from './form.svelte.ts';
import JoinFields from './JoinFields.svelte';
import StatefulFields from './StatefulFields.svelte';
import WindowFields from './WindowFields.svelte';

export const KIND_FIELDS: Record<
  ProcessorKind,
  Component<{ form: ProcessorFormState; existing: boolean }> | null
> = {
  stateless: null,
  stateful: StatefulFields,
  join: JoinFields,
  window: WindowFields,
  batch: BatchFields,
};
