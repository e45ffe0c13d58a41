// What a dashboard of ours may be, by the types Grafana publishes. Those are made for code, these for JSON: words of an
// enumeration are texts there, and what a panel may hold follows from its `type`, with nothing beside it.
import type * as grafana from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as history from '@grafana/schema/dist/esm/raw/composable/statushistory/panelcfg/x/StatusHistoryPanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** The same as JSON has it: an enumeration of texts becomes its texts. */
type Json<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Json<T[K]> } : T;

/** Queries are their data sources' own; the schema has only what they share. */
interface PrometheusQuery extends grafana.DataQuery {
  expr: string;
  legendFormat: string;
  editorMode: 'code' | 'builder';
  range: boolean;
  instant: boolean;
  interval?: string;
}
interface GraphiteQuery extends grafana.DataQuery {
  target: string;
  textEditor: boolean;
}

/** A panel of one type, with no option, and nothing of a series, that this type does not know. */
interface PanelOf<Type, Options, Series, Query>
  extends Omit<grafana.Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> {
  type: Type;
  id: number;
  title: string;
  gridPos: grafana.GridPos;
  datasource: grafana.DataSourceRef;
  options: Options;
  fieldConfig: {
    defaults: Omit<grafana.FieldConfig, 'custom'> & { custom?: Series };
    overrides: grafana.FieldConfigSource['overrides'];
  };
  targets: Query[];
}

type AnyPanel<Query> =
  | PanelOf<'timeseries', timeseries.Options, timeseries.FieldConfig, Query>
  | PanelOf<'stat', stat.Options, never, Query>
  | PanelOf<'bargauge', bargauge.Options, never, Query>
  | PanelOf<'status-history', history.Options, history.FieldConfig, Query>
  | grafana.RowPanel;

type DashboardOn<Query> = Omit<grafana.Dashboard, 'panels'> & { panels: AnyPanel<Query>[] };

export type OnPrometheus = Json<DashboardOn<PrometheusQuery>>;
export type OnGraphite = Json<DashboardOn<GraphiteQuery>>;
